// The usual counter on etcd, to compare with: a session with a lease, a lock, get, put and unlock for every request.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

const (
	lock  = "bench/lock"
	count = "bench/count"
)

func main() {
	endpoints := strings.Split(os.Getenv("ETCD_ENDPOINTS"), ",")
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /increment", answer(client, increment))
	http.HandleFunc("GET /fetch", answer(client, fetch))
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func answer(client *clientv3.Client, ask func(context.Context, *clientv3.Client) (int, error)) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		response.Header().Set("Content-Type", "application/json")
		value, err := ask(request.Context(), client)
		if err != nil {
			response.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(response, `{"message": %q}`, err.Error())
			return
		}
		fmt.Fprintf(response, `{"content": "count value = %d", "message": "Status OK"}`, value)
	}
}

func increment(ctx context.Context, client *clientv3.Client) (value int, err error) {
	// Not on the request's context: the lease must be revoked also when the client has hung up, or the lock stays
	// taken until the lease ends.
	session, err := concurrency.NewSession(client)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	mutex := concurrency.NewMutex(session, lock)
	if err := mutex.Lock(ctx); err != nil {
		return 0, err
	}
	value, err = add(ctx, client)
	// The same for the lock.
	return value, errors.Join(err, mutex.Unlock(client.Ctx()))
}

func add(ctx context.Context, client *clientv3.Client) (int, error) {
	value, err := fetch(ctx, client)
	if err != nil {
		return 0, err
	}
	_, err = client.Put(ctx, count, strconv.Itoa(value+1))
	return value + 1, err
}

func fetch(ctx context.Context, client *clientv3.Client) (int, error) {
	found, err := client.Get(ctx, count)
	if err != nil || len(found.Kvs) == 0 {
		return 0, err
	}
	return strconv.Atoi(string(found.Kvs[0].Value))
}
