package lab

import "time"

// Sizes of a queue's buffer in bytes.
const (
	queueStart = 512 << 10
	queueLimit = 64 << 20
)

// An entry is a record that waits in a queue.
type entry struct {
	at     time.Duration // when to write it
	start  int           // offset in the buffer
	length int           // bytes, virtio-net header included
	frames int           // on the wire
	class  class
}

// A queue holds records in the order in which they came, one after another in a
// circular buffer, so that a record is read straight into its place and written
// from there. It starts small, which keeps it in the processor's cache, and
// grows to queueLimit. It is owned by one goroutine.
type queue struct {
	buf     []byte
	tail    int     // offset in buf where the next record goes
	entries []entry // circular; the length is a power of two
	head    int     // index of the first entry
	count   int
}

func newQueue() *queue {
	return &queue{buf: make([]byte, queueStart), entries: make([]entry, 256)}
}

// space returns room for the next record, maxRecord bytes, or nil if the queue
// is full. It stays valid until push.
func (q *queue) space() []byte {
	if !q.makeRoom() {
		if 2*len(q.buf) > queueLimit {
			return nil
		}
		q.grow()
	}
	return q.buf[q.tail : q.tail+maxRecord]
}

// makeRoom moves tail to where maxRecord bytes are free, if it can.
func (q *queue) makeRoom() bool {
	if q.count == 0 {
		q.tail = 0
		return true
	}
	first := q.entries[q.head].start
	if q.tail <= first {
		return first-q.tail > maxRecord
	}
	if len(q.buf)-q.tail < maxRecord {
		if first <= maxRecord {
			return false
		}
		q.tail = 0
	}
	return true
}

// grow doubles the buffer and lays the records out from its start.
func (q *queue) grow() {
	buf := make([]byte, 2*len(q.buf))
	q.tail = 0
	for i := range q.count {
		e := &q.entries[(q.head+i)&(len(q.entries)-1)]
		copy(buf[q.tail:], q.buf[e.start:e.start+e.length])
		e.start = q.tail
		q.tail += e.length
	}
	q.buf = buf
}

// push keeps the record that was put at the start of space. The caller sets
// e.length; e.start is the queue's.
func (q *queue) push(e entry) {
	if q.count == len(q.entries) {
		q.growEntries()
	}
	e.start = q.tail
	q.tail += e.length
	q.entries[(q.head+q.count)&(len(q.entries)-1)] = e
	q.count++
}

func (q *queue) growEntries() {
	entries := make([]entry, 2*len(q.entries))
	for i := range q.count {
		entries[i] = q.entries[(q.head+i)&(len(q.entries)-1)]
	}
	q.entries, q.head = entries, 0
}

// first returns the oldest entry and its record, or nil. They are valid until
// the next call of another method.
func (q *queue) first() (*entry, []byte) {
	if q.count == 0 {
		return nil, nil
	}
	e := &q.entries[q.head]
	return e, q.buf[e.start : e.start+e.length]
}

// second returns the entry after the oldest. There must be one.
func (q *queue) second() *entry { return &q.entries[(q.head+1)&(len(q.entries)-1)] }

// pop forgets the oldest entry. There must be one.
func (q *queue) pop() {
	q.head = (q.head + 1) & (len(q.entries) - 1)
	q.count--
}
