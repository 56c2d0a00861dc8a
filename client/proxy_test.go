package client_test

import (
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy is a bad network before a node: after some bytes, in either direction, a connection stalls and breaks. Answers are lost after their
// requests were taken.
type proxy struct {
	url   string
	l     net.Listener
	to    string
	calm  atomic.Bool // no more faults
	down  atomic.Bool // nobody gets through
	wg    sync.WaitGroup
	mu    sync.Mutex
	open  map[net.Conn]bool
	broke atomic.Int64
}

func badNetwork(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{url: "http://" + l.Addr().String(), l: l, to: strings.TrimPrefix(to, "http://"), open: map[net.Conn]bool{}}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

// cut breaks every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}

func (p *proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = true
}

func (p *proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *proxy) carry(c net.Conn) {
	p.keep(c)
	defer p.drop(c)
	if p.down.Load() {
		return
	}
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	p.keep(s)
	defer p.drop(s)
	both := make(chan struct{}, 2)
	go func() { p.pump(s, c); both <- struct{}{} }()
	go func() { p.pump(c, s); both <- struct{}{} }()
	<-both
	_ = c.Close()
	_ = s.Close()
	<-both
}

// pump copies until the connection's luck is out.
func (p *proxy) pump(to, from net.Conn) {
	luck := 1 + rand.IntN(20_000)
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 && !p.calm.Load() {
			if luck -= n; luck <= 0 {
				p.broke.Add(1)
				p.fail(to, buf[:n/2])
				return
			}
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// fail breaks a connection in one of the ways in which networks do.
func (p *proxy) fail(to net.Conn, some []byte) {
	tcp := to.(*net.TCPConn)
	switch rand.IntN(4) {
	case 0: // nothing arrives, and the line is closed
	case 1: // some arrives
		_, _ = to.Write(some)
	case 2: // reset
		_ = tcp.SetLinger(0)
	case 3: // half of the line is closed, silence, then the rest
		_ = tcp.CloseWrite()
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
	}
}
