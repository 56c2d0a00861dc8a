package readmodel

import (
	"fmt"

	"millrace/event"
)

// Suites lists the suites that were saved, by name and version; name "" is all.
func (m *Model) Suites(name string) (out []Suite, err error) {
	s := span{}
	if name != "" {
		s.prefix = parts(name)
	}
	err = m.read(func(v view) error {
		out, err = list[Suite](v, tableSuite, "", s, 0, nil)
		return err
	})
	return out, err
}

// Suite returns a version of a suite, the newest with version 0. Errors: ErrNotFound.
func (m *Model) Suite(name string, version int) (Suite, error) {
	all, err := m.Suites(name)
	if err != nil {
		return Suite{}, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if version == 0 || all[i].Version == version {
			return all[i], nil
		}
	}
	return Suite{}, fmt.Errorf("suite %q, version %d: %w", name, version, ErrNotFound)
}

// SuiteOf returns the suite that has this digest. Errors: ErrNotFound.
func (m *Model) SuiteOf(d event.Digest) (Suite, error) {
	all, err := m.Suites("")
	if err != nil {
		return Suite{}, err
	}
	for _, s := range all {
		if s.Digest == d {
			return s, nil
		}
	}
	return Suite{}, fmt.Errorf("suite %s: %w", d, ErrNotFound)
}
