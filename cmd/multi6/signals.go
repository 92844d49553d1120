package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that ends with Ctrl-C, SIGTERM or the loss of the
// terminal, so that whatever was set up is taken down. A reader of our output
// that goes away is an error of the next write, not the end of the program.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}
