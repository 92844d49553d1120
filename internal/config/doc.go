// Package config turns a configuration file into validated values.
//
// A file is TOML 1.1, one per TUN, usually /etc/multi6/NAME.toml:
//
//	bytes --parseTree--> tree --decode--> rawFile --validate--> Config
//	        (go-toml)   values with      strings and     netip, keys,
//	                    line and column  numbers         enumerations
//
// Every stage goes on after a problem, so that one run reports all of them,
// each with file, line, column and what to write instead. Only text that is not
// TOML at all ends at the first one.
//
// The package reads the configuration and the key files that it names, and
// nothing else: whether an interface or an address exists is for the node to
// find out. docs/example.toml shows every key.
package config
