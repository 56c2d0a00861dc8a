// Package contest is what raters are asked and what their votes amount to: items (prompts that every entry has answered), questions (two
// entries' answers to an item, or one entry's), who is asked what next and in which order answers are shown, and from votes the ratings,
// the agreement of raters, and how far the order decides. It knows no page and no model: those bring votes.
//
// The types: Items (Gather reads them from files of answers), Contest (a contest with its items: Next, Find), Tally (Count's answer).
package contest
