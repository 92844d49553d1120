package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/config"
	"github.com/multi6/multi6/shim"
)

func newGenkeyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "genkey",
		Short: "Make a private key",
		Long: `Print a new private key, 32 random bytes in base64. The same command makes a
pre-shared key for two peers.

Keep it in a file that only root can read: multi6 refuses any other.`,
		Example:               `  (umask 077; multi6 genkey > shim0.key)`,
		DisableFlagsInUseLine: true,
		Args:                  takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var random [shim.KeyLen]byte
			rand.Read(random[:]) // never fails: crypto/rand
			out := cmd.OutOrStdout()
			warnReadable(cmd.ErrOrStderr(), out)
			_, err := fmt.Fprintln(out, shim.NewPrivateKey(random).Text())
			return err
		},
	}
}

// warnReadable warns if out is a file that others can read.
func warnReadable(w, out io.Writer) {
	f, ok := out.(*os.File)
	if !ok {
		return
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
		return
	}
	// The shell opened it; only the kernel knows its name.
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		name = "FILE"
	}
	fmt.Fprintf(w, "multi6: warning: the key goes to a file with mode %04o, which others may open; run: chmod 600 %s\n",
		info.Mode().Perm(), config.ShellWord(name))
}

func newPubkeyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "pubkey [FILE]",
		Short: "Print the public key of a private key",
		Long: `Read a private key from FILE or standard input and print its public key, which
peers put into their configuration as public_key.`,
		Example: `  multi6 pubkey shim0.key
  (umask 077; multi6 genkey | tee shim0.key) | multi6 pubkey`,
		DisableFlagsInUseLine: true,
		Args:                  takes("[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := privateKey(cmd, args)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), k.Public())
			return err
		},
	}
}

func newIDCmd() *cobra.Command {
	var public string
	cmd := &cobra.Command{
		Use:   "id [FILE | --public KEY]",
		Short: "Print the identifier of a key",
		Long: `Print the identifier, the IPv6 address that applications reach a node by. It is
made from the node's public key. Read a private key from FILE or standard input,
or take the public key of a peer from --public.`,
		Example: `  multi6 id shim0.key
  multi6 id < shim0.key
  multi6 id --public "$(multi6 pubkey shim0.key)"`,
		DisableFlagsInUseLine: true,
		Args:                  takes("[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := idKey(cmd, args, public)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), k.Identifier())
			return err
		},
	}
	cmd.Flags().StringVar(&public, "public", "", "take this public `KEY` instead of a private one")
	return cmd
}

// idKey returns the public key that the command line of id means.
func idKey(cmd *cobra.Command, args []string, public string) (shim.PublicKey, error) {
	if cmd.Flags().Changed("public") {
		if len(args) > 0 {
			return shim.PublicKey{}, usageError("give FILE or --public, not both")
		}
		k, err := config.ParseKey(public, shim.ParsePublicKey)
		if err != nil {
			return k, usageError("--public: %w", err)
		}
		return k, nil
	}
	k, err := privateKey(cmd, args)
	if err != nil {
		return shim.PublicKey{}, err
	}
	return k.Public(), nil
}

// stdinLimit bounds what is read of standard input in search of a key, in bytes.
const stdinLimit = 1024

// privateKey reads a private key from the file args names, or else from
// standard input.
func privateKey(cmd *cobra.Command, args []string) (shim.PrivateKey, error) {
	if len(args) > 0 {
		return config.ReadPrivateKey(args[0])
	}
	in := cmd.InOrStdin()
	if isTerminal(in) {
		fmt.Fprintln(cmd.ErrOrStderr(), "multi6: reading a private key from the terminal; end it with Ctrl-D")
	}
	b, err := io.ReadAll(io.LimitReader(in, stdinLimit+1))
	if err != nil {
		return shim.PrivateKey{}, fmt.Errorf("standard input: %w", err)
	}
	if len(b) > stdinLimit {
		return shim.PrivateKey{}, errors.New("standard input is too long for a key")
	}
	k, err := config.ParseKey(string(b), shim.ParsePrivateKey)
	if err != nil {
		return k, fmt.Errorf("standard input: %w", err)
	}
	return k, nil
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
