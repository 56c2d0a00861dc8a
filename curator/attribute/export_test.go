package attribute

// Hold says how many entries are held in memory.
func (x *Indexer) Hold(entries int) { x.most = entries }
