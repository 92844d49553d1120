package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/multi6/multi6/shim"
)

// keyFileLimit bounds what is read of a key file, in bytes. A key takes 45.
const keyFileLimit = 1024

// ReadPrivateKey reads a private key file. The error says what to do.
func ReadPrivateKey(file string) (shim.PrivateKey, error) {
	return readKey(file, readSecret, shim.ParsePrivateKey)
}

// A secret is the text of a key file and who may read it.
type secret struct {
	text string
	perm fs.FileMode
}

// A secretReader reads a key file.
type secretReader func(file string) (secret, error)

// readKey reads the key in file, which only its owner may read or write. It looks
// at the contents first: chmod is no advice for a file that is no key.
func readKey[K any](file string, read secretReader, parse func(string) (K, error)) (k K, err error) {
	s, err := read(file)
	if err != nil {
		return k, err
	}
	name := ShellWord(file)
	if k, err = ParseKey(s.text, parse); err != nil {
		return k, fmt.Errorf("%s: %w", name, err)
	}
	if s.perm&^0o600 != 0 {
		var none K
		return none, fmt.Errorf("%s has mode %04o, wider than 0600; run: chmod 600 %s", name, s.perm, name)
	}
	return k, nil
}

// ParseKey parses the text of a key and says what is wrong in full. It never
// repeats the text, which may be a secret.
func ParseKey[K any](s string, parse func(string) (K, error)) (K, error) {
	k, err := parse(s)
	switch {
	case err == nil:
		return k, nil
	case strings.TrimSpace(s) == "":
		return k, errors.New("empty; a key is 32 bytes in base64, as 'multi6 genkey' prints it")
	default:
		return k, fmt.Errorf("not a key (%w); a key is 32 bytes in base64, as 'multi6 genkey' prints it", err)
	}
}

// readSecret reads a regular file.
func readSecret(file string) (secret, error) {
	name := ShellWord(file)
	// Ask before opening: to open a device may do something.
	info, err := os.Stat(file)
	if err != nil {
		return secret{}, explain(name, err)
	}
	if !info.Mode().IsRegular() {
		return secret{}, fmt.Errorf("%s is %s; a key file must be a regular file", name, describe(info.Mode()))
	}
	// It may have become a FIFO since; do not wait for a writer.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return secret{}, explain(name, err)
	}
	defer f.Close()
	// The mode that counts is that of the file which was opened.
	if info, err = f.Stat(); err != nil {
		return secret{}, explain(name, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, keyFileLimit+1))
	if err != nil {
		return secret{}, explain(name, err)
	}
	if len(b) > keyFileLimit {
		return secret{}, fmt.Errorf("%s is too long for a key file; it holds one line, as 'multi6 genkey' prints it", name)
	}
	return secret{string(b), info.Mode().Perm()}, nil
}

func describe(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

// explain says what to do about a file that cannot be read.
func explain(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist; make one with: (umask 077; multi6 genkey > %s)", name, name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be read (permission denied); run multi6 as root or as the file's owner", name)
	}
	// The path is in name already.
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s cannot be read: %w", name, err)
}

// ShellWord returns s as a person can paste it into a shell: as it is where
// that is safe, else in quotes. Control characters come out escaped.
func ShellWord(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"
	unsafe := func(c rune) bool { return !strings.ContainsRune(safe, c) }
	switch {
	case s != "" && strings.IndexFunc(s, unsafe) < 0:
		return s
	case strings.IndexFunc(s, func(c rune) bool { return c == '\'' || !strconv.IsPrint(c) }) < 0:
		return "'" + s + "'"
	default:
		return strconv.Quote(s)
	}
}
