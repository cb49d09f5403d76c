// A peer for wsbench: gorilla/websocket (Debian golang-github-gorilla-websocket-dev), written the way its chat example
// is: a goroutine that reads and one that writes for each connection, and a buffered channel between hub and writer.
// Speaks the JSON protocol on /ws (subscribe, publish; subscribers get the text alone), echoes on /echo, and publishes
// what is posted to /publish/CHANNEL.
// Usage: GO111MODULE=off go run gorilla_hub.go PORT
package main

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

// Messages that wait for one connection; a reader that is further behind is dropped.
const queueMax = 256

var upgrader = websocket.Upgrader{
	ReadBufferSize: 4096, WriteBufferSize: 4096, CheckOrigin: func(*http.Request) bool { return true }}

type client struct {
	connection *websocket.Conn
	queue      chan *websocket.PreparedMessage
}

type hub struct {
	lock    sync.RWMutex
	members map[string]map[*client]bool
}

var channels = hub{members: map[string]map[*client]bool{}}

func (h *hub) join(name string, c *client) {
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.members[name] == nil {
		h.members[name] = map[*client]bool{}
	}
	h.members[name][c] = true
}

func (h *hub) leave(c *client) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, list := range h.members {
		delete(list, c)
	}
	close(c.queue)
}

// Encodes once and puts the frame into every member's queue.
func (h *hub) publish(name string, text []byte) {
	message, err := websocket.NewPreparedMessage(websocket.TextMessage, text)
	if err != nil {
		return
	}
	h.lock.RLock()
	defer h.lock.RUnlock()
	for c := range h.members[name] {
		select {
		case c.queue <- message:
		default:
			c.connection.Close()
		}
	}
}

func (c *client) write() {
	defer c.connection.Close()
	for message := range c.queue {
		if c.connection.WritePreparedMessage(message) != nil {
			return
		}
	}
}

// The text of a string member without escapes, by slicing: what is compared is the fan-out, not a JSON library.
func field(message []byte, key string) []byte {
	start := bytes.Index(message, []byte(key))
	if start < 0 {
		return nil
	}
	rest := message[start+len(key):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return nil
	}
	return rest[:end]
}

func serve(w http.ResponseWriter, r *http.Request) {
	connection, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &client{connection: connection, queue: make(chan *websocket.PreparedMessage, queueMax)}
	go c.write()
	defer channels.leave(c)
	for {
		_, message, err := connection.ReadMessage()
		if err != nil {
			return
		}
		name := string(field(message, `"channel":"`))
		if bytes.HasPrefix(message, []byte(`{"action":"publish"`)) {
			channels.publish(name, field(message, `"message":"`))
		} else if bytes.HasPrefix(message, []byte(`{"action":"subscribe"`)) {
			channels.join(name, c)
		}
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	connection, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil || connection.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	channels.publish(strings.TrimPrefix(r.URL.Path, "/publish/"), body)
	w.WriteHeader(http.StatusAccepted)
}

func main() {
	http.HandleFunc("/ws", serve)
	http.HandleFunc("/echo", echo)
	http.HandleFunc("/publish/", post)
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, nil))
}
