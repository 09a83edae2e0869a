-- How an organisation's bot speaks, which models it asks, what it may spend and has spent; what became of
-- its answers; episodes of a conversation.

create table personas (
  org_id uuid not null,
  version integer not null,
  name text not null,
  tone text not null,
  length text not null,
  language text not null,
  instructions text not null,
  never_say text[] not null,
  link_hosts text[] not null,
  created_by_id uuid,
  created_at timestamp with time zone default now() not null,
  published_by_id uuid,
  published_at timestamp with time zone,
  constraint pk_personas primary key (org_id, version),
  constraint fk_personas_org_id foreign key (org_id) references orgs (id) on delete cascade
);
create unique index uq_personas_draft on personas (org_id) where published_at is null;

create table answer_models (
  org_id uuid not null,
  rank smallint not null,
  model text not null,
  base_url text,
  key_sealed bytea,
  key_hint text,
  temperature double precision,
  input_price double precision,
  output_price double precision,
  updated_by_id uuid,
  updated_at timestamp with time zone default now() not null,
  constraint pk_answer_models primary key (org_id, rank),
  constraint fk_answer_models_org_id foreign key (org_id) references orgs (id) on delete cascade,
  constraint ck_answer_models_rank check (rank in (1, 2))
);

create table allowances (
  org_id uuid not null,
  scope text not null,
  answers_per_day integer,
  tokens_per_day bigint,
  updated_by_id uuid,
  updated_at timestamp with time zone default now() not null,
  constraint pk_allowances primary key (org_id, scope),
  constraint fk_allowances_org_id foreign key (org_id) references orgs (id) on delete cascade,
  constraint ck_allowances_scope check (scope in ('org', 'site', 'visitor'))
);

create table spending (
  org_id uuid not null,
  day date not null,
  scope text not null,
  owner_id uuid not null,
  answers integer default 0 not null,
  tokens bigint default 0 not null,
  cost_micros bigint default 0 not null,
  constraint pk_spending primary key (org_id, day, scope, owner_id),
  constraint fk_spending_org_id foreign key (org_id) references orgs (id) on delete cascade,
  constraint ck_spending_scope check (scope in ('org', 'site', 'visitor'))
);

alter table conversations
  add column episode integer default 1 not null,
  add column episode_seq bigint default 0 not null;

create table episodes (
  org_id uuid not null,
  conversation_id uuid not null,
  number integer not null,
  first_seq bigint not null,
  last_seq bigint not null,
  summary text not null,
  ended_at timestamp with time zone default now() not null,
  constraint pk_episodes primary key (org_id, conversation_id, number),
  constraint fk_episodes_org_id_conversation_id foreign key (org_id, conversation_id)
    references conversations (org_id, id) on delete cascade
);

alter table handoffs add column episode integer default 1 not null;

alter table answers
  add column trace jsonb,
  add column persona_version integer,
  add column episode integer default 1 not null,
  add column reserved_tokens integer default 0 not null,
  add column reserved_on date;

alter table messages
  add column feedback_value smallint,
  add column feedback_reason text,
  add column feedback_at timestamp with time zone,
  add column review jsonb,
  add column suggestions text[] default '{}' not null,
  add column corrects uuid,
  add constraint ck_messages_feedback check (feedback_value in (1, -1));

create index ix_messages_feedback on messages (org_id, feedback_at) where feedback_value is not null;

create table reviews (
  org_id uuid not null,
  id uuid not null,
  message_id uuid not null,
  kind text not null,
  staff_id uuid,
  staff_name text not null,
  original_text text not null,
  text text not null,
  created_at timestamp with time zone default now() not null,
  constraint pk_reviews primary key (org_id, id),
  constraint fk_reviews_org_id_message_id foreign key (org_id, message_id)
    references messages (org_id, id) on delete cascade,
  constraint ck_reviews_kind check (kind in ('checked', 'corrected', 'withdrawn'))
);
create index ix_reviews_message on reviews (org_id, message_id, created_at);

-- Which passages an answer cites, by keys that are looked up under row-level security; the answers that
-- are there already are taken in.
create table citations (
  org_id uuid not null,
  message_id uuid not null,
  n integer not null,
  document_id uuid not null,
  passage_id uuid not null,
  version integer,
  constraint pk_citations primary key (org_id, message_id, n),
  constraint fk_citations_org_id_message_id foreign key (org_id, message_id)
    references messages (org_id, id) on delete cascade
);
create index ix_citations_passage on citations (org_id, document_id, passage_id);

alter table messages no force row level security;
insert into citations (org_id, message_id, n, document_id, passage_id, version)
  select m.org_id, m.id, s.n, s.document_id, s.passage_id, s.version
  from messages m,
    jsonb_to_recordset(m.sources) as s(n integer, document_id uuid, passage_id uuid, version integer)
  where m.author_kind = 'assistant'
  on conflict do nothing;
alter table messages force row level security;
