package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Choice is yes, no, or left to the family. In JSON it is true or false, and absent when left.
type Choice int8

// The choices. Zero leaves it to the family.
const (
	Yes Choice = 1
	No  Choice = 2
)

// MarshalJSON writes true or false.
func (c Choice) MarshalJSON() ([]byte, error) {
	switch c {
	case Yes:
		return []byte("true"), nil
	case No:
		return []byte("false"), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads true, false or null; "yes" and "no" too, which some writers of YAML mean by them.
func (c *Choice) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", `"yes"`:
		*c = Yes
	case "false", `"no"`:
		*c = No
	case "null":
		*c = 0
	default:
		return fmt.Errorf("%.20s is not true or false", b)
	}
	return nil
}

// plainConfig is a Config without methods, for encoding/json.
type plainConfig Config

// Record is the config as records of a run have it: resolved, but of GPT-2's family without what that chooses anyway, as before
// other families were known: records and digests of earlier runs stay what they were.
func (c Config) Record() Config {
	c = c.filled()
	if c.Arch == GPT2 {
		return c.short()
	}
	return c
}

// MarshalJSON writes what is set, and of GPT-2's family what Record has.
func (c Config) MarshalJSON() ([]byte, error) {
	if c.Arch == GPT2 {
		c = c.short()
	}
	return json.Marshal(plainConfig(c))
}

// short is the config without what its family chooses anyway.
func (c Config) short() Config {
	if !c.filled().Activation.Gated() { // otherwise the width is not easily told
		leave(&c, func(c *Config) *int { return &c.DFF })
	}
	leave(&c, func(c *Config) *int { return &c.HeadDim })
	leave(&c, func(c *Config) *int { return &c.NKVHead })
	leave(&c, func(c *Config) *int { return &c.NEncoder })
	leave(&c, func(c *Config) *int { return &c.NSegment })
	leave(&c, func(c *Config) *int { return &c.MaskToken })
	leave(&c, func(c *Config) *float64 { return &c.RopeTheta })
	leave(&c, func(c *Config) *int { return &c.RelativeBuckets })
	leave(&c, func(c *Config) *int { return &c.RelativeDistance })
	leave(&c, func(c *Config) *Position { return &c.Position })
	leave(&c, func(c *Config) *Norm { return &c.Norm })
	leave(&c, func(c *Config) *Place { return &c.NormPlace })
	leave(&c, func(c *Config) *float64 { return &c.NormEps })
	leave(&c, func(c *Config) *Activation { return &c.Activation })
	leave(&c, func(c *Config) *Choice { return &c.Tie })
	return c
}

// leave empties a field where filling brings the same value back.
func leave[T comparable](c *Config, field func(*Config) *T) {
	empty := *c
	var zero T
	*field(&empty) = zero
	if filled := empty.filled(); *field(&filled) == *field(c) {
		*field(c) = zero
	}
}

// UnmarshalJSON lays the given keys over what c holds. A "preset" comes first: the other keys are laid over it, and its vocabulary
// is left to the tokenizer. A family other than c's begins with that family's choices, not with those of c's. An unknown key is an error.
func (c *Config) UnmarshalJSON(b []byte) error {
	var begin struct {
		Preset string `json:"preset"`
		Arch   Arch   `json:"arch"`
	}
	_ = json.Unmarshal(b, &begin) // mistakes are told below
	base := *c
	switch {
	case begin.Preset != "":
		p, err := Preset(begin.Preset)
		if err != nil {
			return err
		}
		base, base.VocabSize, base.MaskToken = p, c.VocabSize, 0 // a mask is a token of that vocabulary
	case begin.Arch != "" && begin.Arch != c.Arch && *c != (Config{}):
		base = small(begin.Arch)
		base.VocabSize = c.VocabSize
	}
	in := struct {
		*plainConfig
		Preset string `json:"preset"`
	}{plainConfig: (*plainConfig)(&base)}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		var mismatch *json.UnmarshalTypeError
		if errors.As(err, &mismatch) {
			mismatch.Field = strings.TrimPrefix(mismatch.Field, "plainConfig.")
		}
		return err
	}
	*c = base
	return nil
}
