package cost

// Power is what turns device-hours into energy.
type Power struct {
	// Watts of the device itself, at most (TDP); ServerWatts with its share of a server, at most.
	Watts, ServerWatts float64
	// Load is the part of a server's most that training draws on average; PUE what the building draws for each watt of the servers.
	Load, PUE Range
	// PerMWh is US dollars.
	PerMWh Range
}

// PowerOf is a device's power with usual overheads. Load and PUE in the middle are those of Cottier et al. 2024 (Epoch AI, "The rising
// costs of training frontier AI models"): 0.75 of what the servers may draw, and 1.1 of a modern data centre; the ends are an idle and a busy
// cluster, and the best and an old building.
func PowerOf(h Hardware) Power {
	return Power{
		Watts: h.Watts, ServerWatts: or(h.ServerWatts, 1.9*h.Watts),
		Load: Range{0.6, 0.75, 0.9}, PUE: Range{1.08, 1.1, 1.3}, PerMWh: Range{60, 100, 160},
	}
}

// Energy is in megawatt-hours and US dollars.
type Energy struct {
	// Devices alone, at their most: hours × TDP.
	Devices Range `json:"devices_mwh"`
	// Building is with servers and cooling: hours × server × load × PUE.
	Building Range `json:"building_mwh"`
	Dollars  Range `json:"dollars"`
}

// Energy of so many device-hours. A million hours of an A100 are 400 MWh of the devices themselves, and about 670 MWh (526 to 951) with
// servers and building, not the 1,000 that are often told.
func (p Power) Energy(hours Range) Energy {
	e := Energy{Devices: hours.Scale(p.Watts / 1e6), Building: hours.Scale(p.ServerWatts / 1e6).Times(p.Load).Times(p.PUE)}
	e.Dollars = e.Building.Times(p.PerMWh)
	return e
}
