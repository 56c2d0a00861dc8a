package graph

// resolver is the root of all resolvers; gqlgen looks for it in this file.
type resolver struct {
	Config
	live       *lives
	desk       *desk
	redeciding chan struct{} // holds one for each that goes on
}
