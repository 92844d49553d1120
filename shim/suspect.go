package shim

import "time"

// Suspect takes in that a user or an application is not content with the connection
// (draft §4): the primary pair is tested at once. An idle Context connects.
func (c *Context) Suspect(now time.Time, acts []Action) []Action {
	c.enter(now, acts)
	c.prompt = PromptUser
	if c.machine.Connected() {
		c.perform(c.machine.Complain(now, nil))
	} else {
		c.perform(c.machine.Connect(now, c.last, nil))
	}
	return c.leave()
}
