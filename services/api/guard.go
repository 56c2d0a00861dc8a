package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// guarded puts every guard before the routes, the outermost first: what is seen in the log, what is said to browsers, who may
// call, how fast.
func (s *Server) guarded(h http.Handler) http.Handler {
	h = s.compressed(h)
	h = s.paced(h)
	h = s.authorized(h)
	h = http.NewCrossOriginProtection().Handler(h)
	h = s.called(h)
	h = hardened(h)
	return s.logged(h)
}

// policy is what a page of ours may load.
const policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' ws: wss:; " +
	"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// called refuses requests for a host that we are not. A page of another site can have its own name point at 127.0.0.1 and would
// then be of our origin; but it cannot make a browser send our name.
func (s *Server) called(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.isOurs(r.Host) {
			http.Error(w, "this node is not called "+strings.ToValidUTF8(r.Host, "?")+"; name it in the configuration (hosts) if it should be", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) isOurs(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if loopbackName(name) {
		return true
	}
	if slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.EqualFold(h, name) || strings.EqualFold(h, host) }) {
		return true
	}
	return s.public.Load() && len(s.Hosts) == 0
}

func loopbackName(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

func loopbackAddr(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok && a.Network() == "unix" || ok && tcp.IP.IsLoopback()
}

const cookieName = "millrace_token"

// authorized asks for the token.
func (s *Server) authorized(next http.Handler) http.Handler {
	if s.Token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || s.authentic(r) {
			next.ServeHTTP(w, r)
			return
		}
		if given := r.URL.Query().Get("token"); given != "" && r.Method == http.MethodGet && s.isToken(given) {
			s.trade(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="millrace"`)
		if strings.HasPrefix(r.URL.Path, "/api/v1/runs") { // for programs
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"code":"UNAUTHENTICATED","message":"a token is needed","hint":"send Authorization: Bearer <token>"}}`+"\n")
			return
		}
		if strings.HasPrefix(r.URL.Path, "/v1/") { // OpenAI's form
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"message":"a token is needed: give the node's as the API key","type":"authentication_error","param":null,"code":"invalid_api_key"}}`+"\n")
			return
		}
		http.Error(w, "a token is needed: send \"Authorization: Bearer <token>\", or open the page once with ?token=<token>", http.StatusUnauthorized)
	})
}

func (s *Server) authentic(r *http.Request) bool {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.isToken(bearer)
	}
	if _, password, ok := r.BasicAuth(); ok {
		return s.isToken(password)
	}
	cookie, err := r.Cookie(cookieName)
	return err == nil && equal(cookie.Value, s.cookieValue())
}

func (s *Server) isToken(given string) bool { return equal(given, s.Token) }

// equal compares in a time that tells nothing, not even a length.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// cookieValue follows from the token, so that no session need be kept and a new token ends all; the token does not follow from it.
func (s *Server) cookieValue() string {
	h := sha256.Sum256([]byte("millrace cookie\x00" + s.Token))
	return hex.EncodeToString(h[:])
}

// trade gives a browser the cookie and sends it to the same page without the token, which so stays out of its history.
func (s *Server) trade(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: s.cookieValue(), Path: "/", MaxAge: int((30 * 24 * time.Hour).Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
	query := r.URL.Query()
	query.Del("token")
	// Only path and query: a path that begins with two slashes would name another host.
	to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/\\"), RawQuery: query.Encode()}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}
