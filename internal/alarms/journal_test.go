package alarms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// short is little to simulate, of both kinds of worlds.
func short() Options {
	s := lossy()
	return Options{Settings: []Setting{s, s.WithMargin(5 * time.Millisecond)}, Time: 2 * time.Minute, Failures: 3, Seed: 5, piece: time.Minute}
}

// runWith runs short with the journal in a file.
func runWith(t *testing.T, ctx context.Context, name, build string) (*Result, error) {
	t.Helper()
	o := short()
	j, err := OpenJournal(name, o, build)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	o.Journal = j
	return Run(ctx, o)
}

// TestJournal goes on after a run whose last record was cut off.
func TestJournal(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal")
	want, err := runWith(t, context.Background(), name, "one")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	if worlds := len(short().jobs()); len(lines) != 1+worlds+1 {
		t.Fatalf("the journal of %d worlds has %d lines", worlds, len(lines)-1)
	}
	half := append(bytes.Join(lines[:3], nil), lines[3][:len(lines[3])/2]...)
	if err := os.WriteFile(name, half, 0o666); err != nil {
		t.Fatal(err)
	}
	got, err := runWith(t, context.Background(), name, "two")
	if err != nil {
		t.Fatal(err)
	}
	if b := []string{"one", "two"}; !reflect.DeepEqual(got.Builds, b) {
		t.Errorf("builds %v, want %v", got.Builds, b)
	}
	if !sameResult(got, want) {
		t.Errorf("with what was cut off\n%+v\nwithout\n%+v", got.Cells, want.Cells)
	}
	if again, _ := os.ReadFile(name); len(again) != len(whole)+len(lines[0]) || !bytes.HasPrefix(again, bytes.Join(lines[:3], nil)) {
		t.Errorf("the journal was %d bytes, and is\n%s", len(whole), again)
	}
}

// TestJournalHasAll runs nothing that is in the journal.
func TestJournalHasAll(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal")
	want, err := runWith(t, context.Background(), name, "one")
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	got, err := runWith(t, ended, name, "one")
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !sameResult(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got.Cells, want.Cells)
	}
}

func sameResult(a, b *Result) bool {
	for i := range a.Cells {
		if a.Cells[i].row() != b.Cells[i].row() {
			return false
		}
	}
	return len(a.Cells) == len(b.Cells)
}

func TestJournalRefuses(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"another plan", `{"plan":"0123456789abcdef","build":"x"}` + "\n", "other settings"},
		{"no heading", `{"stream":1}` + "\n", "other settings"},
		{"something else", "hello\n", "is no journal"},
		{"something else without an end", `{"my": "only copy"}`, "is no journal"},
		{"no record", fmt.Sprintf("{\"plan\":%q,\"build\":\"x\"}\n{}\n", short().plan()), "is no journal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "journal")
			if err := os.WriteFile(name, []byte(tt.file), 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := OpenJournal(name, short(), "x")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one about %q and %s", err, tt.want, name)
			}
			if now, _ := os.ReadFile(name); string(now) != tt.file {
				t.Errorf("the file was changed to %q", now)
			}
		})
	}
}

// TestJournalIsOfOneRun refuses to write where another run does.
func TestJournalIsOfOneRun(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal")
	first, err := OpenJournal(name, short(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(name, short(), "x"); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("error %v, want one about another run", err)
	}
	first.Close()
	again, err := OpenJournal(name, short(), "x")
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestJournalOnFullDisk loses no more than what there was no room for.
func TestJournalOnFullDisk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal")
	j, err := OpenJournal(name, short(), "x")
	if err != nil {
		t.Fatal(err)
	}
	size, err := j.file.Seek(0, io.SeekCurrent)
	if err != nil {
		t.Fatal(err)
	}
	for n, room := range []int64{1 << 20, 50, 1 << 20} { // the second record is cut off
		limitFiles(t, uint64(size+room))
		err := j.add(outcome{job: job{stream: uint64(n)}, counts: counts{time: time.Hour}})
		if full := n == 1; (err != nil) != full {
			t.Errorf("record %d: %v", n, err)
		}
	}
	j.Close()
	if j, err = OpenJournal(name, short(), "x"); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if j.Done() != 2 {
		t.Errorf("%d records, want 2", j.Done())
	}
}

// limitFiles bounds how long a file may grow, in bytes, until the test ends.
func limitFiles(t *testing.T, n uint64) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_FSIZE, &was) })
}
