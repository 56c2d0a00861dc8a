// Package rating turns what raters said into numbers: ratings of models from battles, and how far raters agree.
//
// BradleyTerry is what Chatbot Arena publishes (Chiang et al. 2024, as FastChat computes it): the maximum likelihood of a logistic
// model of who wins, in points of which 400 are odds of ten to one, around 1,000, with percentiles of a bootstrap over battles. Elo
// is its predecessor, which depends on the order of battles. Cohen's and Fleiss' κ and Krippendorff's α say how much more often raters
// agree than chance would have them.
package rating
