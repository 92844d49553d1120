package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// interruptible returns a context that ends with Ctrl-C, SIGTERM or the loss of the
// terminal, so that whatever was set up is taken down. A reader of our output
// that goes away is an error of the next write, not the end of the program.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := []os.Signal{syscall.SIGTERM}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) { // as nohup(1) and a shell's & without job control have it
			signals = append(signals, s)
		}
	}
	return signal.NotifyContext(ctx, signals...)
}

// impatience is after what time a second Ctrl-C is another one: timeout(1) and terminals send
// the first to the program and to its group.
const impatience = time.Second

// untilInterrupted calls run with a context that ends with cmd's or as interruptible
// says. A second Ctrl-C ends the program at once; the kernel then kills what it
// started in namespaces, and takes these away.
func untilInterrupted(cmd *cobra.Command, run func(context.Context) error) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(impatience, stop) })
	return run(ctx)
}
