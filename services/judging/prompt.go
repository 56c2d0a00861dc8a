package judging

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"millrace/event"
)

// The templates of this version, by their names. A template says {prompt}, {a} and, of pairs, {b}, and may say {guidelines}; a user's own has any name
// that is not one of these.
const (
	PairPrompt  = "millrace.judge.pair/1"
	ScalePrompt = "millrace.judge.scale/1"
)

const pairTemplate = `You compare two answers to the same prompt and say which one is better. Judge what is written, not its length, and not the order in which the answers stand here.

{guidelines}

[Prompt]
{prompt}
[End of prompt]

[Answer A]
{a}
[End of answer A]

[Answer B]
{b}
[End of answer B]

Give your reasons in a few sentences. Then write, on a last line of its own, exactly one of:
VERDICT: A
VERDICT: B
VERDICT: TIE
VERDICT: BOTH_BAD`

const scaleTemplate = `You say how good an answer to a prompt is, from 1 (useless) to 5 (as good as can be). Judge what is written, not its length.

{guidelines}

[Prompt]
{prompt}
[End of prompt]

[Answer]
{a}
[End of answer]

Give your reasons in a few sentences. Then write, on a last line of its own, exactly:
SCORE: N
where N is 1, 2, 3, 4 or 5.`

// Prompt is what a judge is asked.
type Prompt struct {
	Name     string `json:"name"`
	Template string `json:"template"`
}

const (
	maxTemplate = 64 << 10
	emptyAnswer = "(the answer is empty)"
)

// withDefaults fills in the template that belongs to a mode.
func (p Prompt) withDefaults(mode string) (Prompt, error) {
	name, template := PairPrompt, pairTemplate
	if mode == event.Scale {
		name, template = ScalePrompt, scaleTemplate
	}
	switch {
	case p.Template == "" && (p.Name == "" || p.Name == name):
		return Prompt{name, template}, nil
	case p.Template == "":
		return p, fmt.Errorf("prompt.name is %.80q: this version has %s for this contest; give your own with prompt.template", p.Name, name)
	case (p.Name == PairPrompt || p.Name == ScalePrompt) && p.Template != template:
		return p, fmt.Errorf("prompt.name %s is this version's own template: name yours otherwise", p.Name)
	case p.Name == "":
		p.Name = "own"
	}
	switch {
	case len(p.Name) > 100 || len(p.Template) > maxTemplate:
		return p, fmt.Errorf("prompt has a name of %d bytes and a template of %d: at most 100 and %d", len(p.Name), len(p.Template), maxTemplate)
	case !strings.Contains(p.Template, "{prompt}") || !strings.Contains(p.Template, "{a}"):
		return p, errors.New("prompt.template must say {prompt} and {a} where these go")
	case (mode == event.Pairs) != strings.Contains(p.Template, "{b}"):
		return p, errors.New("prompt.template must say {b} where the second answer goes, and only in a contest of pairs")
	}
	return p, nil
}

// ask is the text of a question. What is put in is not looked through for places to put something in.
func (p Prompt) ask(guidelines, prompt, a, b string) string {
	shown := func(s string) string {
		if strings.TrimSpace(s) == "" {
			return emptyAnswer
		}
		return s
	}
	return strings.NewReplacer("{guidelines}", guidelines, "{prompt}", prompt, "{a}", shown(a), "{b}", shown(b)).Replace(p.Template)
}

var (
	pairVerdict  = regexp.MustCompile(`^VERDICT: (A|B|TIE|BOTH_BAD)$`)
	scaleVerdict = regexp.MustCompile(`^SCORE: ([1-5])$`)
	choices      = map[string]string{"A": event.ChooseA, "B": event.ChooseB, "TIE": event.Tie, "BOTH_BAD": event.BothBad}
)

// maxVerdict bounds the answer that a verdict is looked for in, in bytes.
const maxVerdict = 1 << 20

// parseVerdict reads the last line of an answer that is not empty; only spaces and asterisks around it are forgiven. False when it is no verdict, or
// when another line is a different one.
func parseVerdict(mode, text string) (choice string, score int, ok bool) {
	if len(text) > maxVerdict {
		return "", 0, false
	}
	verdict := pairVerdict
	if mode == event.Scale {
		verdict = scaleVerdict
	}
	said, last := "", false
	for line := range strings.Lines(text) {
		line = strings.Trim(line, " \t\r\n*")
		if line == "" {
			continue
		}
		m := verdict.FindStringSubmatch(line)
		last = m != nil
		if m == nil {
			continue
		}
		if said != "" && said != m[1] {
			return "", 0, false
		}
		said = m[1]
	}
	if !last {
		return "", 0, false
	}
	if mode == event.Scale {
		score, err := strconv.Atoi(said)
		return event.Scored, score, err == nil
	}
	return choices[said], 0, true
}
