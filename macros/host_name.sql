{#- The host of a web address or domain, lower-case and without www; NULL where there is none. What is a plain host already
    is told from the rest first, which costs a tenth of taking it apart. -#}
{% macro host_name(address) -%}
    case
        when
            {{ address }} not like '%/%'
            and {{ address }} not like 'www%'
            and {{ matches(address, "'^[a-z0-9-]+([.][a-z0-9-]+)+$'") }}
            then {{ address }}
        else nullif(
            regexp_extract(
                lower(trim({{ address }})),
                '^(?:[a-z][a-z0-9+.-]*://)?(?:[^/@ ]*@)?(?:www[0-9]*[.])?([^/:?#@ ]*[^/:?#@ .][.][^/:?#@ .]+)[.]?(?:[/:?# ]|$)',
                1
            ),
            ''
        )
    end
{%- endmacro %}
