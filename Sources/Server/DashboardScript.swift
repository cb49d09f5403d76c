/// What the page at `/dashboard` does. Everything that came from clients is put in as text, never as markup.
let dashboardScript = """
    const $ = id => document.getElementById(id);
    const history = { connections: [], deliveries: [], publishes: [], processor: [] };
    const kept = 120;
    let before = null, watching = null, failures = 0;

    async function ask(request) {
      const response = await fetch(location.origin + "/dashboard/api", { method: "POST", credentials: "same-origin",
        headers: { "Content-Type": "application/json", "X-Clarion-Dashboard": "1" }, body: JSON.stringify(request) });
      if (!response.ok) throw new Error(await response.text());
      return response.json();
    }

    const whole = number => Math.round(number).toLocaleString("en").replaceAll(",", "\\u202f");
    function short(number) {
      for (const [unit, size] of [["M", 1e6], ["k", 1e3]])
        if (number >= 10 * size) return (number / size).toFixed(number >= 100 * size ? 0 : 1) + "\\u202f" + unit;
      return number < 10 && number % 1 ? number.toFixed(1) : whole(number);
    }
    function bytes(count) {
      for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]])
        if (count >= size) return (count / size).toFixed(1) + "\\u202f" + unit;
      return Math.round(count) + "\\u202fB";
    }
    function duration(seconds) {
      const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
      let rest = seconds; const text = [];
      for (const [size, unit] of parts) { const n = Math.floor(rest / size); rest %= size;
        if (n || (unit === "s" && !text.length)) text.push(n + "\\u202f" + unit); }
      return text.slice(0, 2).join(" ");
    }

    function draw(name, value) {
      const list = history[name]; list.push(value); if (list.length > kept) list.shift();
      const most = Math.max(...list, 1e-9), points = list.map((v, i) =>
        ((kept - list.length + i) * 120 / (kept - 1)).toFixed(1) + " " + (38 - 34 * v / most).toFixed(1));
      if (points.length < 2) return;
      const line = "M" + points.join("L"), first = points[0].split(" ")[0];
      $("g-" + name).innerHTML = `<path class="area" d="${line}L120 40L${first} 40Z"/><path class="line" d="${line}"/>`;
    }

    // Rows of cells: a string is text, a node is itself, { n } is a number for the right.
    function table(target, heads, rows, none) {
      target.replaceChildren();
      if (!rows.length) { const p = document.createElement("div"); p.className = "none"; p.textContent = none;
        target.append(p); return; }
      const table = document.createElement("table"), head = table.createTHead().insertRow();
      heads.forEach((title, i) => { const th = document.createElement("th"); th.textContent = title;
        if (rows[0][i] && rows[0][i].n !== undefined) th.className = "n"; head.append(th); });
      const body = table.createTBody();
      for (const row of rows) { const tr = body.insertRow();
        for (const cell of row) { const td = tr.insertCell();
          if (cell instanceof Node) td.append(cell);
          else if (cell && cell.n !== undefined) { td.className = "n"; td.textContent = cell.n; }
          else if (cell && cell.name !== undefined) { td.className = "name"; td.textContent = cell.name; }
          else td.textContent = cell; } }
      target.append(table);
    }
    function bar(share) { const outer = document.createElement("div"), inner = document.createElement("i");
      outer.className = "bar"; inner.style.width = Math.max(0, Math.min(100, 100 * share)) + "%";
        outer.append(inner); return outer; }
    function button(text, act) { const b = document.createElement("button"); b.type = "button"; b.className = "quiet";
      b.textContent = text; b.addEventListener("click", act); return b; }

    function options(select, apps, all) {
      const wanted = (all ? [["", "all"]] : []).concat(apps.map(a => [a.id, a.id]), [["realtime", "realtime (/ws)"]]);
      const key = JSON.stringify(wanted); if (select.dataset.key === key) return;
      const chosen = select.value; select.dataset.key = key;
      select.replaceChildren(...wanted.map(([value, text]) => new Option(text, value)));
      if (wanted.some(([value]) => value === chosen)) select.value = chosen;
      eventRow();
    }
    function eventRow() { $("p-event-row").hidden = $("p-app").value === "realtime"; }

    function show(now, at) {
      const t = now.totals, seconds = before ? (at - before.at) / 1000 : 0;
      const rate = name => before ? Math.max(0, t[name] - before.now.totals[name]) / seconds : 0;
      $("facts").textContent = `${now.version} on ${now.address}, ${now.backend}, ${now.workers.length} ` +
        `${now.workers.length === 1 ? "worker" : "workers"}, up ${duration(now.uptimeSeconds)}`;
      $("connections").textContent = whole(t.sockets);
      $("accepted").textContent = `${short(rate("accepted"))} accepted a second, ` +
        `${whole(t.subscriptions)} subscriptions`;
      $("deliveries").textContent = before ? short(rate("deliveries")) : "–";
      $("bytes").textContent = `${bytes(rate("bytesOut"))} a second, ${short(t.deliveries)} in all`;
      $("publishes").textContent = before ? short(rate("publishes")) : "–";
      $("messages").textContent = `${short(rate("messagesIn"))} messages in a second, longest turn ` +
        `${(t.turnMicrosecondsMax / 1000).toFixed(1)} ms`;
      const share = before ? (now.processorMicroseconds - before.now.processorMicroseconds) / seconds / 1e4 : 0;
      $("processor").textContent = before ? share.toFixed(share < 10 ? 1 : 0) + "\\u202f%" : "–";
      $("memory").textContent = `${bytes(now.residentBytes)} resident, ${whole(now.openDescriptors)} descriptors`;
      draw("connections", t.sockets);
      if (before) { draw("deliveries", rate("deliveries")); draw("publishes", rate("publishes")); draw("processor",
        share); }
      const most = Math.max(...now.workers.map(w => w.sockets), 1);
      table($("workers"), ["", "connections", "delivered/s", "balance"], now.workers.map((w, i) => {
        const old = before && before.now.workers[i];
        return [String(i), { n: whole(w.sockets) }, { n: old ? short(Math.max(0, w.deliveries - old.deliveries)
          / seconds) : "–" },
          bar(w.sockets / most)]; }), "none");
      table($("apps"), ["application", "connections"], now.apps.map(a => [{ name: a.id }, { n: whole(a.connections)
        }]), "none");
      const reasons = Object.entries(now.closed).sort((a, b) => b[1] - a[1]);
      table($("closed"), ["reason", "connections"], reasons.map(([name, n]) => [name, { n: whole(n) }]), "none yet");
      options($("p-app"), now.apps, false); options($("w-app"), now.apps, true);
      before = { now, at };
    }

    async function lists() {
      const [channels, readers] = await Promise.all([ask({ command: "channels", limit: 50 }),
        ask({ command: "connections", slow: true, limit: 20 })]);
      const most = channels.channels.length ? channels.channels[0].subscriptions : 1;
      table($("channels"), ["channel", "application", "subscriptions", ""], channels.channels.map(c =>
        [{ name: c.channel }, c.app, { n: whole(c.subscriptions) }, bar(c.subscriptions / most)]),
          "no channel has a subscriber");
      table($("readers"), ["socket", "protocol", "behind", "blocked", ""], readers.connections.map(r =>
        [{ name: r.socket }, r.protocol, { n: bytes(r.lagBytes + r.outboxBytes) }, { n: r.blockedSeconds + "\\u202fs" },
          button("End", () => ask({ command: "kick", socket: r.socket }).then(lists, () => {}))]),
            "every reader is up to date");
    }

    async function turn() {
      try {
        const now = await ask({ command: "status" });
        show(now, performance.now());
        await lists();
        if (watching) await take();
        failures = 0; $("dot").className = "dot good"; $("state").textContent = "live";
      } catch (error) {
        failures += 1; before = null; $("dot").className = "dot bad";
          $("state").textContent = "the node does not answer";
      }
      setTimeout(turn, document.hidden ? 5000 : Math.min(1000 * (1 + failures), 10000));
    }

    $("p-app").addEventListener("change", eventRow);
    $("publish").addEventListener("submit", async submit => {
      submit.preventDefault();
      const said = $("said");
      try {
        const answer = await ask({ command: "publish", app: $("p-app").value, channel: $("p-channel").value,
          event: $("p-event").value, data: $("p-data").value });
        said.className = answer.error ? "bad" : "";
        said.textContent = answer.error || `published to ${whole(answer.subscriptions)} subscriptions`;
      } catch (error) { said.className = "bad"; said.textContent = error.message; }
    });

    async function take() {
      const answer = await ask({ command: "take", watch: watching });
      if (answer.error) { watching = null; $("w-button").textContent = "Watch";
        $("w-said").textContent = answer.error; return; }
      for (const m of answer.messages) {
        const li = document.createElement("li"), where = document.createElement("span");
        if (m.dropped) { li.textContent = `${whole(m.dropped)} messages came too fast to be shown`;
          $("log").prepend(li); continue; }
        where.textContent = `${m.app} ${m.channel} #${m.offset} `;
        li.append(where, m.message);
        $("log").prepend(li);
      }
      while ($("log").children.length > 200) $("log").lastChild.remove();
    }
    $("watch").addEventListener("submit", async submit => {
      submit.preventDefault();
      try {
        if (watching) { const id = watching; watching = null; $("w-button").textContent = "Watch";
          $("w-said").textContent = "";
          await ask({ command: "take", watch: id, end: true }); return; }
        const request = { command: "watch", prefix: $("w-prefix").value };
        if ($("w-app").value) request.app = $("w-app").value;
        const answer = await ask(request);
        if (answer.error) { $("w-said").textContent = answer.error; return; }
        watching = answer.watch; $("w-button").textContent = "Stop"; $("w-said").textContent = "watching";
      } catch (error) { $("w-said").textContent = error.message; }
    });
    turn();
    """
