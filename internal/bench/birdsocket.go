package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// birdPatience is how long BIRD may take to answer.
const birdPatience = 2 * time.Second

// askBird puts questions to BIRD by its control socket, as birdc does, and returns
// its answers. Each line begins with a code of four digits and a space, where it
// is the last of its kind, or a dash; a space alone repeats the code. Codes that
// begin with 0 end an answer, those with 8 and 9 are errors.
func askBird(ctx context.Context, socket string, questions ...string) (answers []string, err error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(birdPatience)); err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	if _, err := readBird(r); err != nil { // the greeting
		return nil, err
	}
	for _, q := range questions {
		if _, err := fmt.Fprintln(c, q); err != nil {
			return nil, err
		}
		a, err := readBird(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q, err)
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// readBird reads one answer.
func readBird(r *bufio.Reader) (string, error) {
	var answer strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(line, " ") {
			answer.WriteString(line[1:])
			continue
		}
		if len(line) < 5 {
			return "", fmt.Errorf("unexpected %q", line)
		}
		answer.WriteString(line[5:])
		if line[4] != ' ' {
			continue
		}
		switch line[0] {
		case '0':
			return answer.String(), nil
		case '8', '9':
			return "", fmt.Errorf("%s", strings.TrimSpace(line[5:]))
		}
	}
}
