-- Every table of the first schema.

CREATE TABLE orgs (
  id UUID NOT NULL,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_orgs PRIMARY KEY (id),
  CONSTRAINT uq_orgs_slug UNIQUE (slug)
);

CREATE TABLE accounts (
  id UUID NOT NULL,
  email TEXT NOT NULL,
  password_hash TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_accounts PRIMARY KEY (id)
);

CREATE UNIQUE INDEX uq_accounts_email ON accounts (lower(email));

CREATE TABLE sites (
  org_id UUID NOT NULL,
  id UUID NOT NULL,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  allowed_origins TEXT[] NOT NULL,
  greeting TEXT NOT NULL,
  starters TEXT[] NOT NULL,
  accent TEXT,
  side TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_sites PRIMARY KEY (org_id, id),
  CONSTRAINT uq_sites_key UNIQUE (key),
  CONSTRAINT fk_sites_org_id FOREIGN KEY(org_id) REFERENCES orgs (id) ON DELETE CASCADE
);

CREATE TABLE staff_sessions (
  account_id UUID NOT NULL,
  id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  revoked_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_staff_sessions PRIMARY KEY (account_id, id),
  CONSTRAINT fk_staff_sessions_account_id FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE
);

CREATE TABLE staff_members (
  org_id UUID NOT NULL,
  id UUID NOT NULL,
  account_id UUID NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  disabled_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_staff_members PRIMARY KEY (org_id, id),
  CONSTRAINT uq_staff_members_org_id_account_id UNIQUE (org_id, account_id),
  CONSTRAINT ck_staff_members_role CHECK (role in ('owner', 'admin', 'agent')),
  CONSTRAINT fk_staff_members_org_id FOREIGN KEY(org_id) REFERENCES orgs (id) ON DELETE CASCADE,
  CONSTRAINT fk_staff_members_account_id FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE
);

CREATE INDEX ix_staff_members_account_id ON staff_members (account_id);

CREATE TABLE visitors (
  org_id UUID NOT NULL,
  id UUID NOT NULL,
  site_id UUID NOT NULL,
  name TEXT,
  locale TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_visitors PRIMARY KEY (org_id, id),
  CONSTRAINT fk_visitors_org_id_site_id FOREIGN KEY(org_id, site_id) REFERENCES sites (org_id, id) ON DELETE CASCADE
);

CREATE TABLE conversations (
  org_id UUID NOT NULL,
  id UUID NOT NULL,
  kind TEXT NOT NULL,
  site_id UUID,
  visitor_id UUID,
  client_id TEXT,
  seq BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  closed_at TIMESTAMP WITH TIME ZONE,
  closed_by_id UUID,
  last_message_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_conversations PRIMARY KEY (org_id, id),
  CONSTRAINT fk_conversations_org_id_site_id FOREIGN KEY(org_id, site_id) REFERENCES sites (org_id, id) ON DELETE CASCADE,
  CONSTRAINT fk_conversations_org_id_visitor_id FOREIGN KEY(org_id, visitor_id) REFERENCES visitors (org_id, id) ON DELETE CASCADE,
  CONSTRAINT uq_conversations_org_id_visitor_id_client_id UNIQUE (org_id, visitor_id, client_id),
  CONSTRAINT ck_conversations_kind CHECK (kind in ('website'))
);

CREATE INDEX ix_conversations_last_message_at ON conversations (last_message_at) WHERE closed_at is null;

CREATE INDEX ix_conversations_inbox ON conversations (org_id, updated_at, id);

CREATE TABLE visitor_sessions (
  org_id UUID NOT NULL,
  id UUID NOT NULL,
  visitor_id UUID NOT NULL,
  site_id UUID NOT NULL,
  origin TEXT NOT NULL,
  secret_hash BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  revoked_at TIMESTAMP WITH TIME ZONE,
  renewed_as UUID,
  CONSTRAINT pk_visitor_sessions PRIMARY KEY (org_id, id),
  CONSTRAINT uq_visitor_sessions_org_id_secret_hash UNIQUE (org_id, secret_hash),
  CONSTRAINT fk_visitor_sessions_org_id_visitor_id FOREIGN KEY(org_id, visitor_id) REFERENCES visitors (org_id, id) ON DELETE CASCADE,
  CONSTRAINT fk_visitor_sessions_org_id_site_id FOREIGN KEY(org_id, site_id) REFERENCES sites (org_id, id) ON DELETE CASCADE
);

CREATE TABLE answers (
  org_id UUID NOT NULL,
  id UUID NOT NULL,
  conversation_id UUID NOT NULL,
  question_rev INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  status TEXT NOT NULL,
  model TEXT NOT NULL,
  partial_text TEXT NOT NULL,
  frame_seq INTEGER NOT NULL,
  stop_requested_at TIMESTAMP WITH TIME ZONE,
  heartbeat_at TIMESTAMP WITH TIME ZONE NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  error_code TEXT,
  usage JSONB,
  CONSTRAINT pk_answers PRIMARY KEY (org_id, id),
  CONSTRAINT fk_answers_org_id_conversation_id FOREIGN KEY(org_id, conversation_id) REFERENCES conversations (org_id, id) ON DELETE CASCADE,
  CONSTRAINT ck_answers_status CHECK (status in ('running', 'complete', 'stopped', 'failed', 'withdrawn', 'interrupted'))
);

CREATE INDEX ix_answers_conversation ON answers (org_id, conversation_id);

CREATE INDEX ix_answers_heartbeat ON answers (heartbeat_at) WHERE status = 'running';

CREATE UNIQUE INDEX uq_answers_running ON answers (org_id, conversation_id) WHERE status = 'running';

CREATE TABLE messages (
  org_id UUID NOT NULL,
  id UUID NOT NULL,
  conversation_id UUID NOT NULL,
  seq BIGINT,
  after_seq BIGINT,
  rev BIGINT NOT NULL,
  version INTEGER NOT NULL,
  client_id TEXT,
  author_kind TEXT NOT NULL,
  author_id UUID,
  author_name TEXT NOT NULL,
  text TEXT NOT NULL,
  visibility TEXT NOT NULL,
  status TEXT NOT NULL,
  sources JSONB NOT NULL,
  confidence TEXT,
  page_url TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_messages PRIMARY KEY (org_id, id),
  CONSTRAINT fk_messages_org_id_conversation_id FOREIGN KEY(org_id, conversation_id) REFERENCES conversations (org_id, id) ON DELETE CASCADE,
  CONSTRAINT uq_messages_org_id_conversation_id_seq UNIQUE (org_id, conversation_id, seq),
  CONSTRAINT uq_messages_org_id_conversation_id_rev UNIQUE (org_id, conversation_id, rev),
  CONSTRAINT uq_messages_org_id_author_kind_author_id_client_id UNIQUE (org_id, author_kind, author_id, client_id),
  CONSTRAINT ck_messages_author CHECK (author_kind in ('visitor', 'assistant', 'staff', 'system')),
  CONSTRAINT ck_messages_visibility CHECK (visibility in ('public', 'internal')),
  CONSTRAINT ck_messages_public_has_seq CHECK ((visibility = 'public') = (seq is not null))
);

CREATE TABLE handoffs (
  org_id UUID NOT NULL,
  id UUID NOT NULL,
  conversation_id UUID NOT NULL,
  requested_by TEXT NOT NULL,
  reason TEXT,
  requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
  taken_by_id UUID,
  taken_at TIMESTAMP WITH TIME ZONE,
  ended_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  CONSTRAINT pk_handoffs PRIMARY KEY (org_id, id),
  CONSTRAINT fk_handoffs_org_id_conversation_id FOREIGN KEY(org_id, conversation_id) REFERENCES conversations (org_id, id) ON DELETE CASCADE,
  CONSTRAINT fk_handoffs_org_id_taken_by_id FOREIGN KEY(org_id, taken_by_id) REFERENCES staff_members (org_id, id),
  CONSTRAINT ck_handoffs_taken CHECK ((taken_at is null) = (taken_by_id is null))
);

CREATE UNIQUE INDEX uq_handoffs_open ON handoffs (org_id, conversation_id) WHERE ended_at is null;

CREATE INDEX ix_handoffs_conversation ON handoffs (org_id, conversation_id);

CREATE TABLE documents (
  org_id UUID NOT NULL,
  id UUID NOT NULL,
  name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  sha256 BYTEA NOT NULL,
  status TEXT NOT NULL,
  error_code TEXT,
  error_message TEXT,
  progress DOUBLE PRECISION DEFAULT '0' NOT NULL,
  pages INTEGER,
  passages INTEGER DEFAULT '0' NOT NULL,
  version INTEGER DEFAULT '1' NOT NULL,
  live_version INTEGER,
  url TEXT,
  attempts SMALLINT DEFAULT '0' NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE,
  leased_until TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT pk_documents PRIMARY KEY (org_id, id),
  CONSTRAINT uq_documents_org_id_name UNIQUE (org_id, name),
  CONSTRAINT ck_documents_status CHECK (status IN ('queued', 'extracting', 'indexing', 'ready', 'failed')),
  CONSTRAINT ck_documents_progress CHECK (progress BETWEEN 0 AND 1),
  CONSTRAINT ck_documents_error CHECK ((status = 'failed') = (error_code IS NOT NULL))
);

CREATE INDEX ix_documents_org_id_status_created_at ON documents (org_id, status, created_at);

CREATE TABLE postings (
  org_id UUID NOT NULL,
  lexeme TEXT COLLATE "C" NOT NULL,
  passage_no BIGINT NOT NULL,
  tf SMALLINT NOT NULL,
  n_lex INTEGER NOT NULL,
  CONSTRAINT pk_postings PRIMARY KEY (org_id, lexeme, passage_no) INCLUDE (tf, n_lex)
);

CREATE TABLE knowledge_stats (
  org_id UUID NOT NULL,
  cfg TEXT NOT NULL,
  passages BIGINT NOT NULL,
  lexemes BIGINT NOT NULL,
  CONSTRAINT pk_knowledge_stats PRIMARY KEY (org_id, cfg)
);

CREATE TABLE document_versions (
  org_id UUID NOT NULL,
  document_id UUID NOT NULL,
  version INTEGER NOT NULL,
  sha256 BYTEA NOT NULL,
  size_bytes INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  cfg TEXT,
  pages INTEGER,
  passages INTEGER DEFAULT '0' NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT pk_document_versions PRIMARY KEY (org_id, document_id, version),
  CONSTRAINT fk_document_versions_documents FOREIGN KEY(org_id, document_id) REFERENCES documents (org_id, id) ON DELETE CASCADE
);

CREATE TABLE document_files (
  org_id UUID NOT NULL,
  document_id UUID NOT NULL,
  version INTEGER NOT NULL,
  body BYTEA NOT NULL,
  CONSTRAINT pk_document_files PRIMARY KEY (org_id, document_id, version),
  CONSTRAINT fk_document_files_document_versions FOREIGN KEY(org_id, document_id, version) REFERENCES document_versions (org_id, document_id, version) ON DELETE CASCADE
);

CREATE TABLE passages (
  org_id UUID NOT NULL,
  no BIGINT GENERATED ALWAYS AS IDENTITY,
  id UUID NOT NULL,
  document_id UUID NOT NULL,
  version INTEGER NOT NULL,
  ord INTEGER NOT NULL,
  kind TEXT DEFAULT 'document' NOT NULL,
  heading TEXT,
  page INTEGER,
  text TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  cfg TEXT NOT NULL,
  lexemes TSVECTOR NOT NULL,
  n_lex INTEGER NOT NULL,
  CONSTRAINT pk_passages PRIMARY KEY (org_id, no),
  CONSTRAINT uq_passages_org_id_id UNIQUE (org_id, id),
  CONSTRAINT uq_passages_org_id_document_id_version_ord UNIQUE (org_id, document_id, version, ord),
  CONSTRAINT fk_passages_document_versions FOREIGN KEY(org_id, document_id, version) REFERENCES document_versions (org_id, document_id, version) ON DELETE CASCADE,
  CONSTRAINT ck_passages_kind CHECK (kind IN ('document', 'faq'))
);

CREATE TABLE embeddings (
  org_id UUID NOT NULL,
  passage_no BIGINT NOT NULL,
  model TEXT NOT NULL,
  vector HALFVEC NOT NULL,
  CONSTRAINT pk_embeddings PRIMARY KEY (org_id, passage_no, model),
  CONSTRAINT fk_embeddings_passages FOREIGN KEY(org_id, passage_no) REFERENCES passages (org_id, no) ON DELETE CASCADE
);

-- What the knowledge library's own metadata cannot say: its rows belong to an organisation of ours.
alter table documents add constraint fk_documents_orgs foreign key (org_id) references orgs (id) on delete cascade;
alter table knowledge_stats add constraint fk_knowledge_stats_orgs foreign key (org_id) references orgs (id) on delete cascade;
