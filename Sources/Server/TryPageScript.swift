/// The script of the page to try a node. It speaks both protocols itself, over one WebSocket at a time.
let tryPageScript = #"""
    "use strict";
    const at = id => document.getElementById(id);
    const rowsMax = 200, retrySecondsMax = 30;
    // Names the user wants; a channel is "held" once the node has confirmed it (raw JSON confirms nothing).
    const wanted = new Set(), held = new Set();
    let protocol = "pusher", socket = null, retrySeconds = 1, retryTimer = 0, idleTimer = 0, idleSeconds = 120;
    let total = 0, inSecond = 0, most = 0, waitingRows = [];
    const curve = new Array(60).fill(0);

    const pusherPath = facts.prefix + "/app/" + encodeURIComponent(facts.appKey) + "?protocol=7&client=clarion-page";
    const address = () => (location.protocol === "https:" ? "wss://" : "ws://") + location.host
      + (protocol === "pusher" ? pusherPath : "/ws");

    function show(state, detail) {
      at("state").dataset.state = state;
      at("state").textContent = state;
      at("detail").textContent = detail || "";
      draw();
    }

    function connect() {
      clearTimeout(retryTimer);
      const mine = socket = new WebSocket(address());
      show("connecting");
      mine.onopen = () => { if (mine === socket && protocol === "json") ready(""); };
      mine.onmessage = message => { if (mine === socket) { stayAwake(); take(message.data); } };
      mine.onclose = end => {
        if (mine !== socket) return;
        clearTimeout(idleTimer);
        held.clear();
        const why = "closed with " + end.code + (end.reason ? ": " + end.reason : "");
        row("fault", why, "", "");
        // 40xx: the same attempt would fail again.
        if (end.code >= 4000 && end.code < 4100) return show("stopped", why);
        show("waiting", why + ", next attempt in " + retrySeconds + " s");
        retryTimer = setTimeout(connect, retrySeconds * 1000);
        retrySeconds = Math.min(retrySeconds * 2, retrySecondsMax);
      };
    }

    function ready(detail) {
      retrySeconds = 1;
      show("connected", detail);
      for (const name of wanted) ask("subscribe", name);
      stayAwake();
    }

    // The node answers a ping; a connection on which nothing comes back is closed, and made anew.
    function stayAwake() {
      clearTimeout(idleTimer);
      if (protocol !== "pusher") return;
      const mine = socket;
      idleTimer = setTimeout(() => {
        send({event: "pusher:ping", data: {}});
        idleTimer = setTimeout(() => { if (mine === socket) mine.close(); }, 30000);
      }, idleSeconds * 1000);
    }

    const isOpen = () => socket && socket.readyState === WebSocket.OPEN;
    const send = value => { if (isOpen()) socket.send(JSON.stringify(value)); };

    function ask(verb, name) {
      if (protocol === "pusher") return send({event: "pusher:" + verb, data: {channel: name}});
      send({action: verb, channel: name});
      if (verb === "subscribe" && isOpen()) held.add(name);
      draw();
    }

    function parse(text) {
      try { return JSON.parse(text); } catch { return undefined; }
    }

    function take(text) {
      const message = parse(text);
      if (protocol === "pusher") takePusher(message || {});
      else takeJSON(text, message);
    }

    function takePusher(message) {
      const {event, channel} = message;
      const data = typeof message.data === "string" ? parse(message.data) ?? message.data : message.data;
      if (event === "pusher:connection_established") {
        idleSeconds = data.activity_timeout || idleSeconds;
        ready("socket " + data.socket_id);
      } else if (event === "pusher:ping") send({event: "pusher:pong", data: {}});
      else if (event === "pusher_internal:subscription_succeeded") {
        held.add(channel);
        row("", "subscribed", channel, "");
        draw();
      } else if (event === "pusher:error") row("fault", "error " + data.code, channel, data.message);
      else if (event !== "pusher:pong") counted(event, channel, data);
    }

    function takeJSON(text, message) {
      const type = message && typeof message === "object" ? message.type : undefined;
      if (type === "subscribed" || type === "unsubscribed") row("", type, message.channel, "");
      else if (type === "error" && "error" in message) row("fault", "error", "", message.error);
      else if (type === "message" && "payload" in message) counted("message", message.channel, message.payload);
      else counted("message", "", text);
    }

    function counted(what, channel, data) {
      total++;
      inSecond++;
      row("", what, channel, data);
    }

    function row(kind, what, channel, data) {
      const text = data === undefined ? "" : typeof data === "string" ? data : JSON.stringify(data);
      waitingRows.push([new Date(), kind, channel ? what + " · " + channel : what, text]);
      if (waitingRows.length > rowsMax) waitingRows.shift();
      if (waitingRows.length === 1) requestAnimationFrame(flush);
    }

    // However many messages come, the page is touched once a frame.
    function flush() {
      const log = at("log");
      for (const [time, kind, what, text] of waitingRows) {
        const line = document.createElement("div");
        line.className = kind;
        const clock = time.toTimeString().slice(0, 8) + "." + String(time.getMilliseconds()).padStart(3, "0");
        for (const [name, value] of [["time", clock], ["what", what], ["data", text]]) {
          const cell = document.createElement("span");
          cell.className = name;
          cell.textContent = value;
          line.append(cell);
        }
        log.prepend(line);
      }
      waitingRows = [];
      while (log.childElementCount > rowsMax) log.lastElementChild.remove();
      at("total").textContent = total.toLocaleString("en");
    }

    function draw() {
      const list = at("channels");
      list.textContent = "";
      for (const name of wanted) {
        const item = document.createElement("li"), leave = document.createElement("button");
        item.dataset.waiting = !held.has(name);
        item.textContent = name;
        leave.type = "button";
        leave.textContent = "×";
        leave.setAttribute("aria-label", "Unsubscribe from " + name);
        leave.onclick = () => { wanted.delete(name); held.delete(name); ask("unsubscribe", name); draw(); };
        item.append(leave);
        list.append(item);
      }
      const isPusher = protocol === "pusher", may = isPusher ? facts.clientEvents : facts.publish;
      at("pusher").setAttribute("aria-pressed", isPusher);
      at("json").setAttribute("aria-pressed", !isPusher);
      at("json").disabled = !facts.realtime;
      at("address").textContent = address();
      at("event-label").hidden = !isPusher;
      at("send").disabled = at("many").disabled = !may || !isOpen();
      at("hint").textContent = !may
        ? isPusher ? "This application takes no events from clients; start with --accept-client-events-from members."
          : "Clients may not publish here; start with --realtime-publish."
        : isPusher ? "Subscribe first. A client event goes to all other subscribers: open this page twice."
          : "Goes to every subscriber, this page too.";
    }

    function publish(count) {
      const channel = at("target").value.trim(), text = at("message").value;
      let event = at("event").value.trim() || "client-hello";
      if (!event.startsWith("client-")) event = at("event").value = "client-" + event;
      for (let index = 1; index <= count; index++) {
        const body = count === 1 ? text : text + " " + index;
        if (protocol === "pusher") send({event, channel, data: parse(body) ?? {text: body}});
        else send({action: "publish", channel, message: body});
      }
      row("own", protocol === "pusher" ? "sent " + event : "sent", channel, count === 1 ? text : count + " messages");
    }

    function change(to) {
      if (to === protocol) return;
      protocol = to;
      held.clear();
      retrySeconds = 1;
      const old = socket;
      socket = null;
      if (old) old.close(1000);
      connect();
    }

    at("subscribe").onsubmit = event => {
      event.preventDefault();
      const name = at("channel").value.trim();
      if (!name) return;
      wanted.add(name);
      at("target").value = name;
      ask("subscribe", name);
      draw();
    };
    at("publish").onsubmit = event => { event.preventDefault(); publish(1); };
    at("many").onclick = () => publish(100);
    at("pusher").onclick = () => change("pusher");
    at("json").onclick = () => change("json");
    at("clear").onclick = () => { at("log").textContent = ""; total = most = 0; at("total").textContent = 0; };

    setInterval(() => {
      curve.push(inSecond);
      curve.shift();
      most = Math.max(most, inSecond);
      at("rate").textContent = inSecond.toLocaleString("en");
      at("most").textContent = most.toLocaleString("en");
      inSecond = 0;
      const top = Math.max(1, ...curve);
      const points = curve.map((value, x) => x + "," + (19 - 18 * value / top).toFixed(2));
      at("curve").setAttribute("points", points.join(" "));
    }, 1000);

    draw();
    connect();
    """#
