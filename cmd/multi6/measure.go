package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// A measurement is what the commands have in common that run daemons in namespaces and
// measure: what they need, and where the results go.
type measurement struct {
	// picture and data are the names of the files for results.
	picture, data string
	dir           string
	json          bool
}

func (m *measurement) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.dir, "out", ".", fmt.Sprintf("`DIR` for %s and %s", m.picture, m.data))
	cmd.Flags().BoolVar(&m.json, "json", false, fmt.Sprintf("print %s instead of the table", m.data))
}

// prepare sees to what is needed, and returns the path of this program.
func (m measurement) prepare(cmd *cobra.Command) (executable string, err error) {
	if err := needRoot(cmd, "it makes network namespaces"); err != nil {
		return "", err
	}
	if executable, err = os.Executable(); err != nil {
		return "", err
	}
	return executable, os.MkdirAll(m.dir, 0o755)
}

// interruptedError says that a measurement was, and what else it ended with.
func interruptedError(err error) error {
	also := ""
	if err != nil && !errors.Is(err, context.Canceled) {
		also = ": " + err.Error()
	}
	return errors.New("interrupted; daemons, namespaces and temporary files are gone" + also)
}

// findings are what was measured.
type findings interface {
	WriteSVG(io.Writer) error
	WriteJSON(io.Writer) error
	WriteTable(io.Writer) error
}

// write writes the files, and to out the table or the JSON document.
func (m measurement) write(out io.Writer, f findings) error {
	picture, data := filepath.Join(m.dir, m.picture), filepath.Join(m.dir, m.data)
	if err := errors.Join(writeFile(picture, f.WriteSVG), writeFile(data, f.WriteJSON)); err != nil {
		return err
	}
	if m.json {
		return f.WriteJSON(out)
	}
	if err := f.WriteTable(out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nSee %s and %s.\n", picture, data)
	return err
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
