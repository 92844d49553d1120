package resolve

import (
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A question is what is asked for; the name in small letters.
type question struct {
	name string
	kind dnsmessage.Type
}

// A query is a question on its way.
type query struct {
	question
	id uint16
}

// lifetimes are the times to live that a reply tells: of addresses that were found,
// and of their absence. Each may be unknown.
type lifetimes struct{ found, missing time.Duration }

// readQuery reads what net.Resolver sends.
func readQuery(msg []byte) (query, bool) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.Response {
		return query{}, false
	}
	q, err := p.Question()
	if err != nil {
		return query{}, false
	}
	return query{questionOf(q), h.ID}, true
}

func questionOf(q dnsmessage.Question) question {
	return question{strings.ToLower(q.Name.String()), q.Type}
}

// readReply reads a message as net.Resolver does: what does not answer q was sent
// by someone else. ok says that q is settled: there are addresses, or there are
// none. A truncated reply settles nothing; it comes again over TCP.
func readReply(msg []byte, q query) (t lifetimes, ok bool) {
	t = lifetimes{unknown, unknown}
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || !h.Response || h.ID != q.id || h.Truncated {
		return t, false
	}
	asked, err := p.Question()
	if err != nil || questionOf(asked) != q.question || p.SkipAllQuestions() != nil {
		return t, false
	}
	if h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError {
		return t, false
	}
	least, some, err := readAnswers(&p)
	if err != nil {
		return t, false
	}
	if some && h.RCode == dnsmessage.RCodeSuccess {
		t.found = least
		return t, true
	}
	t.missing = readAuthority(&p)
	return t, true
}

// readAnswers returns the least time to live of the addresses and of the aliases
// that lead to them, and whether there is an address.
func readAnswers(p *dnsmessage.Parser) (ttl time.Duration, some bool, err error) {
	ttl = unknown
	for {
		h, err := p.AnswerHeader()
		if err == dnsmessage.ErrSectionDone {
			return ttl, some, nil
		}
		if err != nil {
			return ttl, some, err
		}
		switch h.Type {
		case dnsmessage.TypeA, dnsmessage.TypeAAAA:
			some = true
			ttl = least(ttl, seconds(h.TTL))
		case dnsmessage.TypeCNAME:
			ttl = least(ttl, seconds(h.TTL))
		}
		if err := p.SkipAnswer(); err != nil {
			return ttl, some, err
		}
	}
}

// readAuthority returns for how long it holds that there is nothing: the smaller of
// the SOA record's own lifetime and its minimum field (RFC 2308 §5).
func readAuthority(p *dnsmessage.Parser) time.Duration {
	for {
		h, err := p.AuthorityHeader()
		if err != nil {
			return unknown
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				return unknown
			}
			continue
		}
		soa, err := p.SOAResource()
		if err != nil {
			return unknown
		}
		return min(seconds(h.TTL), seconds(soa.MinTTL))
	}
}

// seconds converts a time to live. With the top bit set it is zero (RFC 2181 §8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}
