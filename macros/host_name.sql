{#- The host of a web address or domain, lower-case and without www; NULL where there is none. Where most are hosts
    already (`is_mostly_host`), telling so costs a tenth of taking an address apart. -#}
{% macro host_name(address, is_mostly_host=false) -%}
    {%- if is_mostly_host -%}
    case
        when
            {{ address }} not like '%/%' and {{ address }} not like 'www%'
            and {{ matches(address, "'^[a-z0-9-]+([.][a-z0-9-]+)+$'") }}
            then {{ address }}
        else {{ host_name(address) }}
    end
    {%- else -%}
    nullif(
        regexp_extract(
            lower(trim({{ address }})),
            '^(?:[a-z][a-z0-9+.-]*://)?(?:[^/@ ]*@)?(?:www[0-9]*[.])?([^/:?#@ ]*[^/:?#@ .][.][^/:?#@ .]+)[.]?(?:[/:?# ]|$)',
            1
        ),
        ''
    )
    {%- endif -%}
{%- endmacro %}
