package read

import (
	"fmt"
	"path"
	"strings"
)

type patternList [][]string

func patterns(list []string) patternList {
	var out patternList
	for _, p := range list {
		out = append(out, strings.Split(strings.Trim(p, "/"), "/"))
	}
	return out
}

func checkPattern(p string) error {
	if strings.Trim(p, "/") == "" {
		return fmt.Errorf("empty pattern %q", p)
	}
	if _, err := path.Match(p, ""); err != nil {
		return fmt.Errorf("pattern %q: %w", p, err)
	}
	return nil
}

func (l patternList) match(p string) bool {
	elements := elements(p)
	for _, pattern := range l {
		if len(pattern) == 1 && pattern[0] != "**" {
			if ok, _ := path.Match(pattern[0], elements[len(elements)-1]); ok { // checked by Check
				return true
			}
		} else if matchPath(pattern, elements) {
			return true
		}
	}
	return false
}

func matchPath(pattern, elements []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := 0; i <= len(elements); i++ {
				if matchPath(pattern[1:], elements[i:]) {
					return true
				}
			}
			return false
		}
		if len(elements) == 0 {
			return false
		}
		if ok, _ := path.Match(pattern[0], elements[0]); !ok {
			return false
		}
		pattern, elements = pattern[1:], elements[1:]
	}
	return len(elements) == 0
}

func elements(p string) []string { return strings.Split(p, "/") }
