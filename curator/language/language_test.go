package language_test

import (
	"strings"
	"testing"

	"millrace/curator/language"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func predict(text string) (string, float64) {
	x := language.BuiltIn()
	at, score, ok := x.Predict(text)
	if !ok {
		return "", score
	}
	return x.Labels()[at], score
}

func TestLanguages(t *testing.T) {
	for text, want := range map[string]string{
		"The mill stands by the river and its wheel turns all day long, but nobody knows who built it.":       "en",
		"Die Mühle steht am Fluss und ihr Rad dreht sich den ganzen Tag, doch niemand weiß warum.":            "de",
		"Le moulin se dresse près de la rivière et sa roue tourne toute la journée.":                          "fr",
		"El molino está junto al río y su rueda gira durante todo el día sin descanso.":                       "es",
		"Il mulino si trova vicino al fiume e la sua ruota gira per tutto il giorno.":                         "it",
		"De molen staat aan de rivier en het rad draait de hele dag door.":                                    "nl",
		"Młyn stoi nad rzeką, a jego koło obraca się przez cały dzień i nikt nie wie dlaczego.":               "pl",
		"Мельница стоит у реки, и её колесо вращается весь день.":                                             "ru",
		"Усі люди села знають, що млин стоїть біля річки, і його колесо обертається цілий день, якщо є вода.": "uk",
		"水車小屋は川のそばにあり、その車輪は一日中回っています。":                                                                        "ja",
		"磨坊坐落在河边，水车整天转动。":                                                                                     "zh",
		"방앗간은 강가에 있고 물레바퀴는 하루 종일 돕니다.":                                                                        "ko",
		"Ο μύλος βρίσκεται δίπλα στο ποτάμι.":                                                                 "el",
		"הטחנה עומדת ליד הנהר והגלגל שלה מסתובב כל היום":                                                      "he",
		"تقع الطاحونة بجانب النهر وتدور عجلتها طوال اليوم":                                                    "ar",
		"चक्की नदी के किनारे खड़ी है और उसका पहिया दिन भर घूमता है":                                           "hi",
	} {
		got, score := predict(text)
		require.Equal(t, want, got, "%s: %v", text, score)
		require.Positive(t, score, text)
	}
}

func TestNoLanguage(t *testing.T) {
	for _, text := range []string{"", " \n", "12345 +-*/ !?", "\xff\xfe", "ᚠᚢᚦ"} {
		got, score := predict(text)
		require.Empty(t, got, "%q", text)
		require.Zero(t, score)
	}
}

// The score is less when letters of other scripts stand between.
func TestScoreIsTheShareOfTheScript(t *testing.T) {
	got, score := predict(strings.Repeat("방", 30) + strings.Repeat("θ", 10))
	require.Equal(t, "ko", got)
	require.Equal(t, 0.75, score)
	_, score = predict(strings.Repeat("方", 16) + "の")
	require.Equal(t, 1.0, score)
}

func TestLabels(t *testing.T) {
	labels := language.BuiltIn().Labels()
	require.Len(t, labels, 87)
	seen := map[string]bool{}
	for _, l := range labels {
		require.False(t, seen[l], l)
		require.Contains(t, []int{2, 3}, len(l), l)
		seen[l] = true
	}
}

// Whatever the text, the answer is the same again, its score from 0 to 1, and repeating the text does not change the
// language.
func TestAlwaysTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`([a-zäöüßéèñç]{1,8} ){1,20}`), rapid.StringMatching(`([а-яё]{1,8} ){1,20}`)).Draw(t, "text")
		a, score := predict(text)
		b, again := predict(text)
		require.Equal(t, a, b)
		require.Equal(t, score, again)
		require.True(t, score >= 0 && score <= 1, score)
	})
}

func FuzzPredict(f *testing.F) {
	f.Add("The mill")
	f.Add("Мельница\xff水車の")
	f.Fuzz(func(t *testing.T, text string) {
		label, score := predict(text)
		require.True(t, score >= 0 && score <= 1, score)
		require.True(t, label != "" || score == 0)
	})
}

func BenchmarkPredict(b *testing.B) {
	x := language.BuiltIn()
	text := strings.Repeat("The mill stands by the river and its wheel turns all day long, but nobody knows who built it. ", 40)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		x.Predict(text)
	}
}
