package evaluator

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed suites/*.json
var suites embed.FS

//go:embed tasks
var tasks embed.FS

// Suites are the suites that come with the program, by name.
func Suites() ([]Suite, error) {
	var all []Suite
	err := embedded(suites, "suites/*.json", func(data []byte) error {
		s, err := ParseSuite(data)
		all = append(all, s)
		return err
	})
	slices.SortFunc(all, func(a, b Suite) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// Tasks are the tasks that come with the program, by name and version. Their data does not: a source's digest is empty until it is pinned.
func Tasks() ([]Task, error) {
	var all []Task
	err := embedded(tasks, "tasks/*.json", func(data []byte) error {
		t, err := ParseTask(data)
		all = append(all, t)
		return err
	})
	slices.SortFunc(all, func(a, b Task) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return a.Version - b.Version
	})
	return all, err
}

// BuiltIn is a TaskNamed of Tasks.
func BuiltIn(name string, version int) (Task, error) {
	all, err := Tasks()
	if err != nil {
		return Task{}, err
	}
	var known []string
	for _, t := range all {
		if t.Name == name && t.Version == version {
			return t, nil
		}
		known = append(known, fmt.Sprintf("%s@%d", t.Name, t.Version))
	}
	return Task{}, fmt.Errorf("%w; with the program come %s", ErrNoTask, strings.Join(known, ", "))
}

func embedded(files embed.FS, pattern string, parse func([]byte) error) error {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if err := parse(data); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
