package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// errPrivate: a name stands for an address that is not a public one.
var errPrivate = errors.New("not a public address")

// special are the ranges of the IANA IPv4 and IPv6 Special-Purpose Address Registries that are not reachable from
// everywhere, or stand for other addresses, and those for multicast.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
}

// global is IPv6's unicast space; everything else of IPv6 is loopback, local, mapped, translated or not assigned.
var global = netip.MustParsePrefix("2000::/3")

// public tells whether an address is one of the public internet.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	if ip.Is6() && (!global.Contains(ip) || ip.Zone() != "") {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return ip.IsValid()
}

// dialer connects; without private only to public addresses, whatever the name was that they were found under. It looks at
// the address that is connected to, so that a name cannot change its meaning in between.
func dialer(private bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 15 * time.Second}
	if !private {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %s", errPrivate, address)
			}
			if !public(at.Addr()) {
				return fmt.Errorf("%w: %s", errPrivate, at.Addr())
			}
			return nil
		}
	}
	return d.DialContext
}
