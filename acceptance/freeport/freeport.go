// Package freeport finds ports for servers that tests restart at the same address.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// The range lies below those that systems take ports from for outgoing connections and for port 0: nothing else comes there
// while a server is down.
const (
	first = 20_000
	last  = 31_999
)

var (
	mu    sync.Mutex
	given = map[int]net.PacketConn{}
)

// New is a TCP port of 127.0.0.1 that nobody listens on, and that no test was given before. As long as this process lives it keeps the UDP port
// of the same number, which tells the tests of other packages to take another.
func New(t testing.TB) int {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := first + rand.IntN(last-first+1)
		addr := "127.0.0.1:" + strconv.Itoa(port)
		if given[port] != nil {
			continue
		}
		mark, err := net.ListenPacket("udp4", addr)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			_ = mark.Close()
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		given[port] = mark
		return port
	}
	t.Fatalf("no free port from %d to %d", first, last)
	return 0
}

// Addr is "127.0.0.1:" and a port of New.
func Addr(t testing.TB) string {
	t.Helper()
	return "127.0.0.1:" + strconv.Itoa(New(t))
}
