package cost

// Forecast is what a run will have cost at its end.
type Forecast struct {
	Dollars       Range   // US dollars
	DeviceSeconds Range   // wall seconds × devices
	SecondsLeft   Range   // of wall time
	Joules        float64 // 0: no device tells
	Basis         string
	// Uncertain tells that nobody can say it within 10%; Basis says why.
	Uncertain bool
}

// ForecastOf adds to what was spent what the rest will take, at the pace seen: the devices of the newest attempt go on as they did, and
// draw so many watts (0: as many as on the whole so far); what lies in storage stays there. spent is of all attempts, now of the newest one
// alone, over wall seconds.
func ForecastOf(spent, now Bill, seconds, watts float64, p Pace, unit string) Forecast {
	f := Forecast{SecondsLeft: p.Left, Basis: p.Says(unit), Uncertain: p.Why != "", DeviceSeconds: Exactly(spent.DeviceSeconds), Dollars: Exactly(spent.Dollars)}
	f.Dollars = f.Dollars.Plus(p.Left.Scale(spent.PerMonth / month))
	if seconds <= 0 {
		return f
	}
	f.DeviceSeconds = f.DeviceSeconds.Plus(p.Left.Scale(now.DeviceSeconds / seconds))
	energy := now.Energy / seconds
	if watts > 0 && now.Joules > 0 {
		energy *= watts * seconds / now.Joules
	} else {
		watts = now.Joules / seconds
	}
	f.Dollars = f.Dollars.Plus(p.Left.Scale(now.Devices/seconds + energy))
	f.Joules = spent.Joules + p.Left.Typical*watts
	return f
}
