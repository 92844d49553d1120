package generator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"syscall"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

// Args are the arguments with which the program under test runs Serve on its standard
// input and output.
var Args = []string{"bench", "generate"}

// A Child is a generator in a process of its own. It is for one goroutine.
type Child struct {
	// Address is where it listens, if it does.
	Address netip.AddrPort

	kind    Kind
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies *json.Decoder
	stderr  bytes.Buffer
}

// Start starts a generator in a host; it has begun when Start returns. It ends with
// ctx at the latest. The caller must Stop it.
func Start(ctx context.Context, h *lab.Host, executable string, j Job) (*Child, error) {
	c := &Child{kind: j.Kind, cmd: exec.CommandContext(ctx, executable, Args...)}
	c.cmd.Stderr = &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.in, c.replies = in, json.NewDecoder(out)
	if err := h.Start(c.cmd); err != nil {
		return nil, fmt.Errorf("generator: %s: %w", j.Kind, err)
	}
	j.Congestion = h.Congestion()
	job, err := json.Marshal(j)
	if err != nil {
		return nil, errors.Join(err, c.end())
	}
	r, err := c.ask(job)
	if err != nil {
		return nil, errors.Join(err, c.end())
	}
	c.Address = r.Address
	return c, nil
}

// PID returns the number of the process.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Tally returns what there was since the last Tally, or the start. Where what arrived
// was not what was sent, the error wraps a [rig.WrongError].
func (c *Child) Tally() (Tally, error) {
	r, err := c.ask(nil)
	return r.Tally, err
}

// Stop ends the traffic and the process, and returns what there was from the start. A
// receiver waits for the end of what is under way, so the sender is to be stopped
// first.
func (c *Child) Stop() (Tally, error) {
	c.in.Close()
	r, err := c.read()
	return r.Tally, errors.Join(err, c.end())
}

// ask sends a line and reads the answer.
func (c *Child) ask(line []byte) (reply, error) {
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return reply{}, fmt.Errorf("generator: %s: %w", c.kind, err)
	}
	return c.read()
}

func (c *Child) read() (r reply, err error) {
	switch err := c.replies.Decode(&r); {
	case err != nil:
		return r, fmt.Errorf("generator: %s: no answer: %w", c.kind, err)
	case r.Wrong:
		return r, fmt.Errorf("%s: %w", c.kind, &rig.WrongError{Text: r.Error})
	case r.Error != "":
		return r, fmt.Errorf("%s: %s", c.kind, r.Error)
	}
	return r, nil
}

// end waits for the process. What failed it has said over the pipe, unless it was so
// that it ended.
func (c *Child) end() error {
	c.in.Close()
	err := c.cmd.Wait()
	if said := bytes.TrimSpace(c.stderr.Bytes()); len(said) > 0 {
		return fmt.Errorf("generator: %s: %s", c.kind, said)
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}
