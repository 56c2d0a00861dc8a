package cost

import (
	"errors"
	"fmt"
	"math"
)

// Rent is what device-hours cost when rented, energy and building included.
func Rent(hours, perHour Range) Range { return hours.Times(perHour) }

// Buying is what comes with devices that are bought.
type Buying struct {
	// Host and Interconnect are factors on the device's price for the rest of the server, and on that for the network between servers.
	Host, Interconnect Range
	// Years over which the purchase is written off, in a straight line.
	Years Range
}

// UsualBuying are the factors of Cottier et al. 2024 (Epoch AI): a server is 1.3 to 2.1 times its devices, the network makes it 1.07
// to 1.32 times as much; and the years over which clouds write off servers.
func UsualBuying() Buying {
	return Buying{Host: Range{1.3, 1.64, 2.1}, Interconnect: Range{1.07, 1.19, 1.32}, Years: Range{3, 4, 6}}
}

// Purchase is what a cluster costs, in US dollars.
type Purchase struct {
	Devices      Range `json:"devices"`
	Host         Range `json:"host"`
	Interconnect Range `json:"interconnect"`
	Total        Range `json:"total"`
	// PerDay is what it loses in value, used or not.
	PerDay Range `json:"per_day"`
}

// Buy is a cluster of so many devices.
func (b Buying) Buy(device Range, count int) Purchase {
	p := Purchase{Devices: device.Scale(float64(count))}
	servers := p.Devices.Times(b.Host)
	p.Total = servers.Times(b.Interconnect)
	p.Host = Range{servers.Low - p.Devices.Low, servers.Typical - p.Devices.Typical, servers.High - p.Devices.High}
	p.Interconnect = Range{p.Total.Low - servers.Low, p.Total.Typical - servers.Typical, p.Total.High - servers.High}
	p.PerDay = p.Total.Over(b.Years.Scale(365.25))
	return p
}

// Even is when a purchase has cost less than rent would have.
type Even struct {
	// Runs until then; Days of the cluster at work on nothing else. An end that is never reached is infinite.
	Runs Range `json:"runs"`
	Days Range `json:"days"`
}

// ErrNeverEven is returned where a run on one's own devices costs as much as a rented one: no number of runs pays a purchase back.
var ErrNeverEven = errors.New("a purchase never pays")

// BreakEven is after how many runs, purchase = runs × (rent − marginal): marginal is what a run costs on devices that one has, which is
// energy. Days follow from the device-hours of a run. Errors: ErrNeverEven where it is so even in the typical case.
func BreakEven(purchase, rent, marginal, hours Range, devices int) (Even, error) {
	var e Even
	e.Runs = Range{
		Low:     even(purchase.Low, rent.High-marginal.Low),
		Typical: even(purchase.Typical, rent.Typical-marginal.Typical),
		High:    even(purchase.High, rent.Low-marginal.High),
	}
	if math.IsInf(e.Runs.Typical, 1) {
		return e, fmt.Errorf("cost: a rented run costs $%.0f and one's own $%.0f for energy: %w", rent.Typical, marginal.Typical, ErrNeverEven)
	}
	days := func(runs, hours float64) float64 { return runs * hours / float64(max(devices, 1)) / 24 }
	// A dear run takes long: the ends go with the rent that they came from.
	e.Days = Range{days(e.Runs.Low, hours.High), days(e.Runs.Typical, hours.Typical), days(e.Runs.High, hours.Low)}
	if e.Days.Low > e.Days.Typical {
		e.Days.Low = e.Days.Typical
	}
	if e.Days.High < e.Days.Typical {
		e.Days.High = e.Days.Typical
	}
	return e, nil
}

// Team is the people; no offer for devices has them in it.
type Team struct {
	People  float64
	PerYear Range // US dollars a person, with everything
	Months  float64
}

// UsualSalary is a machine-learning engineer's year in US dollars, with what an employer adds.
func UsualSalary() Range { return Range{100_000, 200_000, 400_000} }

// Dollars of the team.
func (t Team) Dollars() Range { return or(t.PerYear, UsualSalary()).Scale(t.People * t.Months / 12) }
