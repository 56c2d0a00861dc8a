// Package spool keeps documents in a temporary file between two readings, compressed, in their order, so that a source is
// read and its text refined once.
//
// Create one, Add every document, Finish, then range over Docs as often as needed, and Close. The file has no name where the
// system lets an open file be removed, so it is gone when the process is; it is read by the process that wrote it alone, and its
// form is nobody else's business. Text, ID, Source, Ordinal, URL, License, Code, Language and Chat come back as they were; Digest is
// computed anew.
package spool
