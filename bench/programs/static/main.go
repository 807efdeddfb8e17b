// A minimal server with the counter's static answer: how fast the same can be in Go.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	answer := fmt.Appendf(nil, `{"content": "meaning of life = 42", "message": "Status OK", "node": %q, "pod": %q}`,
		os.Getenv("MY_NODE_NAME"), os.Getenv("MY_POD_NAME"))
	http.HandleFunc("GET /static", func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "application/json")
		response.Write(answer)
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
