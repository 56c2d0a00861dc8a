package view

import (
	"millrace/cost"
	"millrace/event"
)

// Cost is a bill with the devices it is for.
type Cost struct {
	cost.Bill
	Devices []DeviceSpent
}

// DeviceDollars are for device-hours.
func (c Cost) DeviceDollars() float64 { return c.Bill.Devices }

// EnergyDollars are for energy, where priced apart.
func (c Cost) EnergyDollars() float64 { return c.Energy }

// StorageDollars are for a month of what was stored.
func (c Cost) StorageDollars() float64 { return c.Storage }

// Joules is nil when no device tells.
func (c Cost) Joules() *float64 {
	if !c.JoulesKnown {
		return nil
	}
	return &c.Bill.Joules
}

// DeviceSpent is what was spent on one kind of device.
type DeviceSpent struct {
	Kind, Name string
	Count      int
	Seconds    float64
	Joules     *event.Number
}

// Price is one line of the price book.
type Price struct {
	Device                      string
	PerHour, PerKwh, PerGbMonth float64
	From, Source                string
}
