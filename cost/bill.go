package cost

import "time"

// Spent is what a run has used of one device.
type Spent struct {
	Kind, Name string
	// Seconds are device-seconds: wall seconds times the devices (cores, GPUs) held.
	Seconds float64
	// Joules is the energy of the device; negative when it does not tell.
	Joules float64
	// FLOPs by the model's arithmetic, Tokens processed, Stored and Moved bytes put into and sent through storage.
	FLOPs         float64
	Tokens        int64
	Stored, Moved int64
	// Paid are US dollars that others were paid for what no device here did.
	Paid float64
	// At is when it was spent, which picks the price.
	At time.Time
}

// Stored is what lies in storage, and how long it has: bytes now, and bytes times seconds so far.
type Stored struct {
	Bytes, ByteSeconds float64
}

// Bill is a cost with its parts, in US dollars.
type Bill struct {
	Dollars       float64
	Devices       float64 // for device-hours
	Energy        float64 // for energy, where priced apart
	Storage       float64 // for what was stored, as long as it has been
	Paid          float64 // to others, for what no device here did
	StoredBytes   float64 // in storage now
	PerMonth      float64 // for keeping them another month
	DeviceSeconds float64
	// Joules is the sum where known; JoulesKnown tells whether any device told.
	Joules      float64
	JoulesKnown bool
	FLOPs       float64
	Tokens      int64
	// Unpriced names devices for which the book has no line: the dollars leave them out.
	Unpriced []string
}

// month is what storage is priced by.
const month = 30 * 24 * 3600.0 // seconds

// Keep adds what storage has cost so far, and what another month of it would. Dollars are as they were: the caller adds up.
func (b *Bill) Keep(s Stored, p Price) {
	b.Storage += s.ByteSeconds / 1e9 / month * p.PerGBMonth
	b.PerMonth += s.Bytes / 1e9 * p.PerGBMonth
	b.StoredBytes += s.Bytes
}

// Price adds up what was spent, at the prices in force when it was.
func (b Book) Price(spent []Spent) Bill {
	var bill Bill
	missing := map[string]bool{}
	for _, s := range spent {
		bill.DeviceSeconds += s.Seconds
		bill.FLOPs += s.FLOPs
		bill.Tokens += s.Tokens
		bill.Paid += s.Paid
		if s.Joules >= 0 {
			bill.Joules += s.Joules
			bill.JoulesKnown = true
		}
		p, ok := b.Of(s.Kind, s.Name, s.At)
		if !ok {
			if device := s.Kind + ":" + s.Name; !missing[device] {
				missing[device] = true
				bill.Unpriced = append(bill.Unpriced, device)
			}
			continue
		}
		bill.Devices += s.Seconds / 3600 * p.PerHour
		if s.Joules >= 0 {
			bill.Energy += s.Joules / 3.6e6 * p.PerKWh * max(1, p.PUE)
		}
	}
	bill.Dollars = bill.Devices + bill.Energy + bill.Paid
	return bill
}
