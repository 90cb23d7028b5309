// Command wordcount is a Shoal function that counts the words of a text: how many there are, how many different ones,
// and which are the most frequent.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	shoal "github.com/shoal-run/shoal/sdk/go"
)

func init() { shoal.Handle(wordcount) }

func main() {}

// top is how many of the most frequent words are listed.
const top = 10

func wordcount(in []byte) ([]byte, error) {
	if !utf8.Valid(in) {
		return nil, errors.New("the input is not UTF-8 text")
	}
	counts := map[string]int{}
	words := 0
	for word := range strings.FieldsFuncSeq(strings.ToLower(string(in)), notInWord) {
		if word = strings.Trim(word, "'"); word != "" {
			words++
			counts[word]++
		}
	}

	ranking := make([]string, 0, len(counts))
	for word := range counts {
		ranking = append(ranking, word)
	}
	slices.SortFunc(ranking, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})

	var out bytes.Buffer
	fmt.Fprintf(&out, "lines     %7d\nwords     %7d\ndifferent %7d\n", bytes.Count(in, []byte{'\n'}), words, len(counts))
	for _, word := range ranking[:min(top, len(ranking))] {
		fmt.Fprintf(&out, "%7d %s\n", counts[word], word)
	}
	return out.Bytes(), nil
}

// notInWord reports whether r separates words. An apostrophe does not: "don't" is one.
func notInWord(r rune) bool {
	return r != '\'' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}
