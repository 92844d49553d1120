package alarms

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A Journal keeps what finished worlds came to in a file, so that a run that was cut off
// goes on where it was. It is of one plan: the same settings, times, failures and seed.
//
// The file has a JSON document a line: a heading for each run that wrote to it, and a
// record for each world.
type Journal struct {
	file *os.File
	plan string
	// done are the records by stream, builds those that made them.
	done   map[uint64]record
	builds []string
}

// A heading begins what one run wrote.
type heading struct {
	Plan  string `json:"plan"`
	Build string `json:"build"`
}

// A record is an outcome as it is written.
type record struct {
	Stream      uint64        `json:"stream"`
	Time        time.Duration `json:"time_ns,omitempty"`
	Suspicions  uint64        `json:"suspicions,omitempty"`
	FalseAlarms uint64        `json:"false_alarms,omitempty"`
	Switches    uint64        `json:"switches,omitempty"`
	Joined      uint64        `json:"joined,omitempty"`
	Control     uint64        `json:"control,omitempty"`
	// Detections has the time to suspicion and the time until both had left of each
	// failure, in nanoseconds; the latter is negative for a failure that was missed.
	Detections [][2]time.Duration `json:"detections,omitempty"`
}

// OpenJournal opens the journal in a file, which it makes if there is none, for a run
// of o by a build of that name. A record that was cut off is forgotten.
func OpenJournal(name string, o Options, build string) (*Journal, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("journal %s: another run writes to it: %w", name, err)
	}
	j := &Journal{file: file, plan: o.plan(), done: make(map[uint64]record)}
	if err = j.load(); err == nil {
		err = j.begin(build)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("journal %s: %w", name, err)
	}
	return j, nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

// Done returns how many worlds the journal has.
func (j *Journal) Done() int { return len(j.done) }

// plan names what o runs.
func (o Options) plan() string {
	h := sha256.New()
	fmt.Fprintf(h, "%+v %v %v %v", o.Settings, o.Time, o.Failures, o.Seed)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

var (
	errOtherPlan = errors.New("is of other settings; name another file, or repeat the flags that it was begun with")
	errNoJournal = errors.New("is no journal; name another file")
)

// load reads what is whole, and cuts off the rest.
func (j *Journal) load() error {
	var whole int64
	lines := bufio.NewReader(j.file)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			if head := []byte(`{"plan":`); whole == 0 && !bytes.HasPrefix(line, head[:min(len(head), len(line))]) {
				return errNoJournal
			}
			return j.cut(whole)
		}
		if err == nil {
			err = j.take(line)
		}
		if err != nil {
			return err
		}
		whole += int64(len(line))
	}
}

func (j *Journal) take(line []byte) error {
	var l struct {
		heading
		record
		Stream *uint64 `json:"stream"` // in place of the record's: there must be one
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return fmt.Errorf("%w: %w", errNoJournal, err)
	}
	switch {
	case l.Plan == j.plan:
		j.builtBy(l.Build)
	case l.Plan != "" || j.builds == nil:
		return errOtherPlan
	case l.Stream == nil:
		return errNoJournal
	default:
		j.done[*l.Stream] = l.record
	}
	return nil
}

// cut ends the file after size bytes, and writing goes on there.
func (j *Journal) cut(size int64) error {
	if err := j.file.Truncate(size); err != nil {
		return err
	}
	_, err := j.file.Seek(size, io.SeekStart)
	return err
}

func (j *Journal) begin(build string) error {
	j.builtBy(build)
	return j.write(heading{j.plan, build})
}

func (j *Journal) builtBy(build string) {
	if !slices.Contains(j.builds, build) {
		j.builds = append(j.builds, build)
	}
}

func (j *Journal) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	n, err := j.file.Write(append(b, '\n'))
	if err != nil && n > 0 {
		// What follows must not go on in this line.
		if at, serr := j.file.Seek(0, io.SeekCurrent); serr == nil {
			err = errors.Join(err, j.cut(at-int64(n)))
		}
	}
	return err
}

// add writes what a world came to.
func (j *Journal) add(out outcome) error {
	if j == nil {
		return nil
	}
	n := out.counts
	r := record{out.stream, n.time, n.suspicions, n.falseAlarms, n.switches, n.joined, n.control, nil}
	for _, d := range out.detections {
		left := d.left
		if d.missed {
			left = -left
		}
		r.Detections = append(r.Detections, [2]time.Duration{d.suspicion, left})
	}
	return j.write(r)
}

// split returns what the journal has of all, and the jobs that are left.
func (j *Journal) split(all []job) (had []outcome, left []job) {
	if j == nil {
		return nil, all
	}
	for _, job := range all {
		if r, ok := j.done[job.stream]; ok {
			had = append(had, r.outcome(job))
		} else {
			left = append(left, job)
		}
	}
	return had, left
}

func (r record) outcome(j job) outcome {
	out := outcome{job: j, counts: counts{r.Time, r.Suspicions, r.FalseAlarms, r.Switches, r.Joined, r.Control}}
	for _, d := range r.Detections {
		out.detections = append(out.detections, detection{d[0], max(d[1], -d[1]), d[1] < 0})
	}
	return out
}
