package tun

// A Device carries inner packets. Read is for one goroutine; Write may be called
// from several, one at a time.
type Device interface {
	// Read waits for at least one packet, puts packets at bufs[i][offset:] and
	// their lengths in sizes, and returns how many there are. It returns
	// os.ErrClosed after Close.
	Read(bufs [][]byte, sizes []int, offset int) (int, error)
	// Write hands over the packets bufs[i][offset:]. offset is at least
	// WriteHeadroom; the bytes before it are overwritten. The buffers are the
	// caller's again afterwards.
	Write(bufs [][]byte, offset int) (int, error)
	// BatchSize is how many buffers Read can fill.
	BatchSize() int
	// Close removes the device.
	Close() error
}

// WriteHeadroom is the least offset for Write: room for the virtio-net header.
const WriteHeadroom = 16
