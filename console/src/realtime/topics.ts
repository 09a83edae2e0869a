/** Names of the topics that the console hears. */
export const topics = {
  /** Who waits, what changed in which conversation; colleagues who are online announce themselves here. */
  inbox: (org_id: string) => `org:${org_id}:inbox`,
  knowledge: (org_id: string) => `org:${org_id}:knowledge`,
  /** What visitor and staff say; a visitor who is there announces it here. */
  messages: (conversation_id: string) => `conversation:${conversation_id}:messages`,
  /** Notes, and colleagues who look at the conversation: nothing of it reaches a visitor. */
  notes: (conversation_id: string) => `conversation:${conversation_id}:staff`,
};
