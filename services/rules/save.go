package rules

import (
	"fmt"
	"strings"

	"millrace/event"
	"millrace/storage/readmodel"
)

// Save checks a rule that is to be saved beside those that are, writes out its defaults and counts its version. Errors: *Error; those of the
// model. What would end in a circle is returned too.
func Save(m *readmodel.Model, saved event.RuleSaved) (event.RuleSaved, error) {
	r, err := Parse(saved)
	if err != nil {
		return saved, err
	}
	all, err := m.Rules()
	if err != nil {
		return saved, err
	}
	var others []*Rule
	r.Version = 1
	for _, was := range all {
		if was.Rule == r.Rule {
			r.Version = max(was.Version, 1)
			if !same(was.RuleSaved, r.RuleSaved) {
				r.Version = was.Version + 1
			}
			continue
		}
		if strings.EqualFold(was.Name, r.Name) {
			return saved, wrong("name", "change that one, or take another name", "rule %s has the name %q already", was.Rule, was.Name)
		}
		if !was.Enabled {
			continue
		}
		if other, err := Parse(was.RuleSaved); err == nil {
			others = append(others, other)
		}
	}
	if r.Enabled {
		if circle := Circle(r, others); circle != nil {
			names := make([]string, len(circle))
			for i, c := range circle {
				names[i] = fmt.Sprintf("%q (on %s: %s)", c.Name, c.On, c.then.name)
			}
			return r.RuleSaved, wrong("then", "narrow one of them, for example by run.depth == 0 or by what it makes", "this would never end, each causing the next: %s", strings.Join(append(names, names[0]), " → "))
		}
	}
	return r.RuleSaved, nil
}
