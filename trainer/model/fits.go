package model

import "io"

// Fits compares the header of a model.safetensors with a config, as Read does, and reads nothing behind it: nil when a model of c can be
// read from the file.
func Fits(c Config, r io.Reader) error {
	c, err := c.Resolve()
	if err != nil {
		return err
	}
	_, _, err = match(c, c.specs(), r)
	return err
}
