-- Kinds, titles and audiences of documents; what a person decided about passages; questions with answers;
-- websites that are read; how often each word occurs; how an organisation is searched.

alter table sites add column labels text[] default '{}' not null;

alter table documents
  add column kind text default 'file' not null,
  add column title text,
  add column labels text[] default '{}' not null,
  drop constraint uq_documents_org_id_name,
  add constraint uq_documents_org_id_kind_name unique (org_id, kind, name),
  add constraint ck_documents_kind check (kind in ('file', 'page', 'faq'));

create index ix_documents_labelled on documents (org_id) where labels <> '{}';

alter table document_versions
  add column content_sha256 bytea,
  add column restored_from integer;

-- Files are compressed already, most of them, and are read a part at a time.
alter table document_files alter column body set storage external;

alter table passages
  add column original text,
  add column disabled boolean default false not null;

create table passage_overrides (
  org_id uuid not null,
  document_id uuid not null,
  anchor bytea not null,
  original text not null,
  text text,
  disabled boolean default false not null,
  updated_by text not null,
  updated_at timestamp with time zone default now() not null,
  constraint pk_passage_overrides primary key (org_id, document_id, anchor),
  constraint fk_passage_overrides_documents foreign key (org_id, document_id)
    references documents (org_id, id) on delete cascade
);

create table faqs (
  org_id uuid not null,
  document_id uuid not null,
  question text not null,
  variants text[] default '{}' not null,
  answer text not null,
  word_for_word boolean default true not null,
  enabled boolean default true not null,
  constraint pk_faqs primary key (org_id, document_id),
  constraint fk_faqs_documents foreign key (org_id, document_id)
    references documents (org_id, id) on delete cascade
);

create table lexemes (
  org_id uuid not null,
  lexeme text collate "C" not null,
  df integer not null,
  constraint pk_lexemes primary key (org_id, lexeme) include (df),
  constraint fk_lexemes_orgs foreign key (org_id) references orgs (id) on delete cascade
);

create table knowledge_settings (
  org_id uuid not null,
  model text,
  next_model text,
  previous_model text,
  refused_model text,
  switched_at timestamp with time zone,
  indexed_model text,
  indexed_dimensions integer,
  calibration jsonb,
  constraint pk_knowledge_settings primary key (org_id),
  constraint fk_knowledge_settings_orgs foreign key (org_id) references orgs (id) on delete cascade
);

create table crawls (
  org_id uuid not null,
  id uuid not null,
  url text not null,
  kind text not null,
  depth smallint not null,
  pages_max integer not null,
  delay_ms integer not null,
  schedule text not null,
  labels text[] default '{}' not null,
  status text not null,
  error_code text,
  error_message text,
  run integer default 0 not null,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  next_at timestamp with time zone,
  leased_until timestamp with time zone,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint pk_crawls primary key (org_id, id),
  constraint uq_crawls_org_id_url_kind unique (org_id, url, kind),
  constraint ck_crawls_kind check (kind in ('page', 'sitemap', 'site')),
  constraint ck_crawls_schedule check (schedule in ('never', 'daily', 'weekly')),
  constraint ck_crawls_status check (status in ('queued', 'running', 'done', 'failed')),
  constraint fk_crawls_orgs foreign key (org_id) references orgs (id) on delete cascade
);

create index ix_crawls_next_at on crawls (next_at);

create table crawl_pages (
  org_id uuid not null,
  crawl_id uuid not null,
  url text not null,
  document_id uuid,
  depth smallint not null,
  run integer not null,
  status text not null,
  error_code text,
  error_message text,
  http_status smallint,
  etag text,
  last_modified text,
  sha256 bytea,
  fetched_at timestamp with time zone,
  constraint pk_crawl_pages primary key (org_id, crawl_id, url),
  constraint fk_crawl_pages_crawls foreign key (org_id, crawl_id) references crawls (org_id, id) on delete cascade,
  constraint fk_crawl_pages_documents foreign key (org_id, document_id)
    references documents (org_id, id) on delete set null (document_id),
  constraint ck_crawl_pages_status check (
    status in ('waiting', 'fetched', 'unchanged', 'skipped', 'failed', 'gone'))
);

create index ix_crawl_pages_org_id_document_id on crawl_pages (org_id, document_id);

-- What is there already: every organisation's words, and the model of its vectors. The owner of the tables
-- sees their rows only while row-level security is not forced on it.
alter table postings no force row level security;
alter table embeddings no force row level security;
insert into lexemes (org_id, lexeme, df) select org_id, lexeme, count(*) from postings group by org_id, lexeme;
insert into knowledge_settings (org_id, model)
  select org_id, mode() within group (order by model) from embeddings group by org_id;
alter table postings force row level security;
alter table embeddings force row level security;
