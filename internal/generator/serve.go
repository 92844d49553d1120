package generator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/multi6/multi6/internal/rig"
)

// Serve is a generator: it reads what to do, and answers, as the package comment
// says. The error has been told to the other side, too.
func Serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	e := json.NewEncoder(out)
	t, err := begin(lines)
	if err != nil {
		return errors.Join(err, e.Encode(failed(err)))
	}
	began := time.Now()
	last, at := t.total(), began // before anybody knows where to send
	if err := e.Encode(reply{Address: t.address()}); err != nil {
		return errors.Join(err, t.finish())
	}
	for lines.Scan() {
		next, now := t.total(), time.Now()
		r := failed(t.err())
		r.Tally = since(last, next, now.Sub(at))
		if err := e.Encode(r); err != nil {
			return errors.Join(err, t.finish())
		}
		last, at = next, now
	}
	err = t.finish()
	r := failed(err)
	r.Tally = since(Tally{}, t.total(), time.Since(began))
	return errors.Join(err, e.Encode(r))
}

// begin reads the job and starts it.
func begin(lines *bufio.Scanner) (traffic, error) {
	if !lines.Scan() {
		return nil, errors.Join(errors.New("generator: no job on the standard input"), lines.Err())
	}
	var j Job
	if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
		return nil, fmt.Errorf("generator: job: %w", err)
	}
	return start(j)
}

// since returns what b has more than a, an earlier total.
func since(a, b Tally, elapsed time.Duration) Tally {
	b.Elapsed = elapsed
	b.Bytes -= a.Bytes
	b.Packets -= a.Packets
	b.Lost -= a.Lost
	return b
}

// failed returns a reply that tells an error, if it is one.
func failed(err error) (r reply) {
	if err != nil {
		r.Error = err.Error()
		_, r.Wrong = errors.AsType[*rig.WrongError](err)
	}
	return r
}
