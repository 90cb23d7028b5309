// Command book prints a text of the size of a novel, the same one each time: something for wordcount to count.
// The words are drawn so that, as in real texts, a few are very frequent and many are rare.
package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
)

const (
	chapters   = 40
	paragraphs = 30 // of a chapter
	sentences  = 8  // of a paragraph
	width      = 78 // of a line, in bytes
)

// The vocabulary; in each list the first words are drawn most.
var (
	nouns = strings.Fields(`fish sea water shoal tide net boat wave reef current moon sailor harbour light storm
		island gull anchor shore deep rock song mast lantern kelp whale pilot channel rope cloud shell crab
		morning night winter star compass map signal bay oar hull drift foam pearl sand eel otter bell horizon`)
	adjectives = strings.Fields(`small old grey quiet silver long cold bright deep slow patient restless narrow
		distant salt heavy gentle broken hidden early careful pale golden empty curious stubborn`)
	verbs = strings.Fields(`followed found watched left carried crossed heard called met turned lost remembered
		lifted circled avoided guided answered counted mended weathered`)
	places  = strings.Fields(`under over beside near behind beyond through around against towards`)
	adverbs = strings.Fields(`slowly again together often never at-last once quietly always then`)
)

// author writes with the draws of one generator.
type author struct{ source *rand.PCG }

// draw returns a number below n; low ones come more often.
func (a author) draw(n int) int {
	x := a.source.Uint64()
	return int(min(x%uint64(n), x>>20%uint64(n), x>>40%uint64(n)))
}

func (a author) pick(words []string) string {
	return strings.ReplaceAll(words[a.draw(len(words))], "-", " ")
}

// thing returns a noun with its article.
func (a author) thing() string {
	article := [...]string{"the", "the", "the", "a", "one", "every"}[a.draw(6)]
	adjective := ""
	if a.draw(4) == 0 {
		adjective = a.pick(adjectives) + " "
	}
	if article == "a" && strings.ContainsRune("aeiou", rune((adjective + "x")[0])) {
		article = "an"
	}
	if article == "a" && adjective == "" {
		article = "some"
	}
	return article + " " + adjective + a.pick(nouns)
}

func (a author) sentence() string {
	s := a.thing() + " " + a.pick(verbs) + " " + a.thing()
	if a.draw(3) == 0 {
		s += " " + a.pick(places) + " " + a.thing()
	}
	switch a.draw(5) {
	case 1:
		s += ", and " + a.thing() + " " + a.pick(verbs) + " it " + a.pick(adverbs)
	case 2:
		s += ", but it didn't stay"
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func main() {
	a := author{rand.NewPCG(20200715, 2002_09344)}
	out := bufio.NewWriter(os.Stdout)
	for chapter := range chapters {
		fmt.Fprintf(out, "CHAPTER %d\n\n", chapter+1)
		for range paragraphs {
			var text []string
			for range sentences {
				text = append(text, strings.Fields(a.sentence())...)
			}
			fmt.Fprintln(out, fold(text)+"\n")
		}
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "book:", err)
		os.Exit(1)
	}
}

// fold joins words to lines of at most width bytes.
func fold(words []string) string {
	var text strings.Builder
	column := 0
	for _, word := range words {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			text.WriteByte('\n')
			column = 0
		default:
			text.WriteByte(' ')
			column++
		}
		text.WriteString(word)
		column += len(word)
	}
	return text.String()
}
