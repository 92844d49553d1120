// Package generator makes traffic for measurements of throughput: TCP streams, floods
// of small datagrams, and round trips.
//
// Each end of the traffic is a process of its own, in its host's namespace, so that
// its CPU time can be told from that of what is measured and the scheduler of the
// program that measures does not disturb it. The process is the program under test
// itself, which runs [Serve]; [Start] starts it and speaks with it over pipes, in lines
// of JSON:
//
//	measuring program                 generator
//	│ Job ──────────────────────────▶ │ listens or connects
//	│ ◀───────────────── its Address  │ traffic begins
//	│ an empty line ────────────────▶ │
//	│ ◀──────── Tally since the last  │ any number of times
//	│ end of file ──────────────────▶ │ ends the traffic in good order
//	│ ◀──────────── Tally of it all   │ and itself
//
// What arrives is compared with what was sent: streams if the job says so, as that takes
// about as long as encrypting them, and small datagrams always.
package generator
