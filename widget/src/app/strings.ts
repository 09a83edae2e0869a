/** Every word the widget says, in every language it speaks. */

const en = {
  lang: "en",
  panel: "Chat",
  open: "Open chat",
  openUnread: (n: number) => `Open chat, ${n} unread`,
  close: "Close chat",
  log: "Conversation",
  online: "We are online",
  offline: "Answers at once, people later",
  with: (name: string) => `You are talking to ${name}`,
  composer: "Your message",
  placeholder: "Ask a question…",
  placeholderStaff: "Write a message…",
  send: "Send",
  stop: "Stop the answer",
  tooLong: (n: number) => `${n} characters too many`,
  starters: "Suggested questions",
  person: "Talk to a person",
  personHint: "Not what you need? A person can help.",
  waiting: "A person will join you here.",
  waitingAway:
    "Nobody is online right now. Leave your question here: the answer comes to this chat.",
  asking: "Calling…",
  ended: "This conversation has ended.",
  startOver: "Start a new one",
  you: "You",
  assistant: "Assistant",
  said: (who: string) => `${who} said:`,
  failed: "Not sent.",
  retry: "Try again",
  stopped: "Stopped",
  broken: "The answer broke off.",
  wait: (n: number) => `One moment, trying again in ${n} s`,
  rating: "Was this helpful?",
  good: "Helpful",
  bad: "Not helpful",
  thanks: "Thank you.",
  checked: (name: string) => `Checked by ${name}`,
  corrected: (name: string) => `Corrected by ${name}`,
  seek: "Show the earlier answer",
  sources: "Sources",
  source: (n: number, title: string) => `Source ${n}: ${title}`,
  sourceSpoken: (n: number) => ` (source ${n})`,
  page: (n: number) => `page ${n}`,
  visit: "Open the source",
  answering: "Answering…",
  answerReady: (words: number) => `Answer ready, ${words} words`,
  typing: (name: string) => `${name} is typing…`,
  earlier: "Show earlier messages",
  latest: "Jump to latest",
  connecting: "Connecting…",
  lost: "No connection. Trying again…",
  polling: "Slow connection: messages may come a little late.",
  startFailed: "The chat could not be started.",
  blocked: "This website's security policy blocks the chat.",
  personFailed: "The call did not go through.",
  offlineSend: "There was no connection.",
  noteAsked: "You asked for a person",
  noteJoined: (name: string) => `${name} joined`,
  noteBack: (name: string) => `${name} handed back to the assistant`,
  noteClosed: (name: string) => `${name} ended the conversation`,
};

export type Strings = typeof en;

const de: Strings = {
  lang: "de",
  panel: "Chat",
  open: "Chat öffnen",
  openUnread: (n) => `Chat öffnen, ${n} ungelesen`,
  close: "Chat schließen",
  log: "Gespräch",
  online: "Wir sind online",
  offline: "Antworten sofort, Menschen später",
  with: (name) => `Sie sprechen mit ${name}`,
  composer: "Ihre Nachricht",
  placeholder: "Stellen Sie eine Frage…",
  placeholderStaff: "Schreiben Sie eine Nachricht…",
  send: "Senden",
  stop: "Antwort anhalten",
  tooLong: (n) => `${n} Zeichen zu viel`,
  starters: "Vorgeschlagene Fragen",
  person: "Mit einem Menschen sprechen",
  personHint: "Nicht das Richtige? Ein Mensch kann helfen.",
  waiting: "Gleich meldet sich hier jemand.",
  waitingAway:
    "Gerade ist niemand online. Schreiben Sie Ihre Frage: Die Antwort kommt in diesen Chat.",
  asking: "Wird gerufen…",
  ended: "Dieses Gespräch ist beendet.",
  startOver: "Neues Gespräch beginnen",
  you: "Sie",
  assistant: "Assistent",
  said: (who) => `${who}:`,
  failed: "Nicht gesendet.",
  retry: "Noch einmal",
  stopped: "Angehalten",
  broken: "Die Antwort brach ab.",
  wait: (n) => `Einen Moment, neuer Versuch in ${n} s`,
  rating: "War das hilfreich?",
  good: "Hilfreich",
  bad: "Nicht hilfreich",
  thanks: "Danke.",
  checked: (name) => `Geprüft von ${name}`,
  corrected: (name) => `Berichtigt von ${name}`,
  seek: "Frühere Antwort zeigen",
  sources: "Quellen",
  source: (n, title) => `Quelle ${n}: ${title}`,
  sourceSpoken: (n) => ` (Quelle ${n})`,
  page: (n) => `Seite ${n}`,
  visit: "Quelle öffnen",
  answering: "Antwort kommt…",
  answerReady: (words) => `Antwort ist da, ${words} Wörter`,
  typing: (name) => `${name} schreibt…`,
  earlier: "Frühere Nachrichten zeigen",
  latest: "Zum Neuesten",
  connecting: "Verbindung wird aufgebaut…",
  lost: "Keine Verbindung. Neuer Versuch…",
  polling: "Langsame Verbindung: Nachrichten kommen etwas später.",
  startFailed: "Der Chat konnte nicht gestartet werden.",
  blocked: "Die Sicherheitsregeln dieser Website verhindern den Chat.",
  personFailed: "Der Ruf kam nicht an.",
  offlineSend: "Es gab keine Verbindung.",
  noteAsked: "Sie haben um einen Menschen gebeten",
  noteJoined: (name) => `${name} ist jetzt dabei`,
  noteBack: (name) => `${name} hat an den Assistenten übergeben`,
  noteClosed: (name) => `${name} hat das Gespräch beendet`,
};

/** All the loader needs before the rest is there. */
export const launcherLabel = (lang: string): string =>
  /^de/i.test(lang) ? "Chat öffnen" : "Open chat";

export function stringsFor(lang: string): Strings {
  return /^de/i.test(lang) ? de : en;
}

/** The server's notes in the visitor's own language and from the visitor's side; others as they stand. */
export function noteText(text: string, strings: Strings): string {
  if (text === "The visitor asked for a person.") return strings.noteAsked;
  const named: [RegExp, (name: string) => string][] = [
    [/^(.+) joined the conversation\.$/, strings.noteJoined],
    [/^(.+) handed the conversation back to the assistant\.$/, strings.noteBack],
    [/^(.+) closed the conversation\.$/, strings.noteClosed],
  ];
  for (const [pattern, say] of named) {
    const name = pattern.exec(text)?.[1];
    if (name) return say(name);
  }
  return text;
}
