{#- The host of a web address or domain, lower-case and without www; NULL where there is none. What is a plain host behind
    its scheme and www is told from the rest first, which costs a tenth of taking it apart. -#}
{% macro host_name(address) -%}
    {%- set plain -%}
        case
            {%- for prefix in ['https://www.', 'http://www.', 'https://', 'http://', 'www.'] %}
            when starts_with({{ address }}, '{{ prefix }}') then substr({{ address }}, {{ prefix | length + 1 }})
            {%- endfor %}
            else {{ address }}
        end
    {%- endset -%}
    case
        when {{ matches(plain, "'^[a-z0-9-]+([.][a-z0-9-]+)+$'") }} and not starts_with({{ plain }}, 'www')
            then {{ plain }}
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
