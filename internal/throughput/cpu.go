package throughput

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc: USER_HZ is 100 on all that Go runs on
// (proc_pid_stat(5)).
const tick = 10 * time.Millisecond

// Fields of /proc/PID/stat after the name in brackets, which ends field 2.
const (
	fieldUser   = 14 - 3
	fieldSystem = 15 - 3
)

// parseProcess returns the CPU time in the contents of a /proc/PID/stat.
func parseProcess(stat string) (time.Duration, error) {
	i := strings.LastIndexByte(stat, ')') // a name may have brackets and spaces
	f := strings.Fields(stat[i+1:])
	if i < 0 || len(f) <= fieldSystem {
		return 0, fmt.Errorf("process status %q", stat)
	}
	user, err1 := strconv.ParseInt(f[fieldUser], 10, 64)
	system, err2 := strconv.ParseInt(f[fieldSystem], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// processes returns the CPU time that processes have taken together.
func processes(pids []int) (sum time.Duration, err error) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		t, err := parseProcess(string(b))
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}

// softThreads returns the kernel's threads for soft interrupts, none where they cannot be
// seen.
func softThreads() (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/comm") // the pattern is right
	for _, file := range files {
		name, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(name, []byte("ksoftirqd/")) {
			continue // it may have ended
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// A machine is the time that all processors have spent since they were started.
type machine struct {
	busy  time.Duration // in processes and in interrupts
	soft  time.Duration // in soft interrupts; part of busy
	stole time.Duration // wanted, but not given by the hypervisor
	all   time.Duration
}

// parseMachine reads the contents of /proc/stat (proc_stat(5)).
func parseMachine(stat string) (m machine, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	const user, nice, system, idle, iowait, irq, softirq, steal = 1, 2, 3, 4, 5, 6, 7, 8
	if len(f) <= steal || f[0] != "cpu" {
		return m, fmt.Errorf("machine status %q", line)
	}
	var t [steal + 1]time.Duration
	for i := user; i <= steal; i++ {
		n, e := strconv.ParseInt(f[i], 10, 64)
		err = errors.Join(err, e)
		t[i] = time.Duration(n) * tick
	}
	m.busy = t[user] + t[nice] + t[system] + t[irq] + t[softirq]
	m.soft, m.stole = t[softirq], t[steal]
	m.all = m.busy + t[idle] + t[iowait] + t[steal]
	return m, err
}

func readMachine() (machine, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machine{}, err
	}
	return parseMachine(string(b))
}

// since returns what m has more than an earlier one.
func (m machine) since(o machine) machine {
	return machine{m.busy - o.busy, m.soft - o.soft, m.stole - o.stole, m.all - o.all}
}

// A usage is CPU time at a moment, or since one.
type usage struct {
	own     time.Duration // of the processes that belong to a measurement
	machine machine
}

func readUsage(pids []int) (u usage, err error) {
	own, err1 := processes(pids)
	m, err2 := readMachine()
	return usage{own, m}, errors.Join(err1, err2)
}

func (u usage) since(o usage) usage { return usage{u.own - o.own, u.machine.since(o.machine)} }

func (u usage) add(o usage) usage {
	return usage{u.own + o.own, machine{
		u.machine.busy + o.machine.busy, u.machine.soft + o.machine.soft,
		u.machine.stole + o.machine.stole, u.machine.all + o.machine.all,
	}}
}
